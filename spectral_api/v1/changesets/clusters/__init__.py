"""Failure clusters over HTTP."""
