"""Fixtures of all tests."""

pytest_plugins = ["tests.fixtures.database", "tests.fixtures.client", "tests.fixtures.callers"]
