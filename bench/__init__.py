"""Measurements of a running Spectral; what they said, when and where is in docs/benchmarks.md."""
