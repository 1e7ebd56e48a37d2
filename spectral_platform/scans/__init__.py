"""Scans: find what fails, propose changes, test them, and decide without fooling oneself."""
