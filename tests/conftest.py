"""Fixtures of all tests."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

# Processes that tests start import what earlier ones compiled, instead of compiling all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tests send in a second what people send in a day; those of the limits set their own.
for policy in ("REQUESTS", "INGESTION_REQUESTS", "PUBLIC_REQUESTS"):
    os.environ[f"SPECTRAL_{policy}_PER_MINUTE"] = "0"

# More processes test than there are cores: threads of the numeric libraries would wait for each other, turning.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

# What a run finds depends on the code, and neither on chance nor on how busy the machine is.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

pytest_plugins = [
    "tests.fixtures.reports",
    "tests.fixtures.logs",
    "tests.fixtures.database",
    "tests.fixtures.client",
    "tests.fixtures.callers",
    "tests.fixtures.worker",
    "tests.fixtures.identity",
    "tests.fixtures.llm",
    "tests.fixtures.agent",
    "tests.fixtures.mail",
    "tests.fixtures.server",
    "tests.fixtures.receiver",
    "tests.fixtures.browser",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what stays to the end: every module, and every test."""
    gc.collect()
    gc.freeze()
