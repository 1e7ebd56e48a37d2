"""Changesets over HTTP."""
