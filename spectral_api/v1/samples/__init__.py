"""Samples over HTTP."""
