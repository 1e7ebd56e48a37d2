"""Objectives: what a scan improves, in what proportion, and within which limits."""
