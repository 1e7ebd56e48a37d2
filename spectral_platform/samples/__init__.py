"""Samples: test cases in sets, which are published as immutable versions."""
