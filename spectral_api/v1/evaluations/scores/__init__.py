"""Scoring answers by a rubric over HTTP."""
