"""Rubrics and objectives over HTTP."""
