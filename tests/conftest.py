"""Fixtures of all tests."""

import os

# Processes that tests start import what earlier ones compiled, instead of compiling all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = ["tests.fixtures.database", "tests.fixtures.client", "tests.fixtures.callers"]
