"""Fixtures of all tests."""

import os

import structlog

# Processes that tests start import what earlier ones compiled, instead of compiling all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.client",
    "tests.fixtures.callers",
    "tests.fixtures.worker",
    "tests.fixtures.llm",
    "tests.fixtures.mail",
    "tests.fixtures.server",
    "tests.fixtures.receiver",
]

# The default renderer prints the local variables of every frame, which takes minutes for one unexpected error.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
