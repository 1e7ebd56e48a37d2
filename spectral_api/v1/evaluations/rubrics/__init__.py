"""Rubrics over HTTP."""
