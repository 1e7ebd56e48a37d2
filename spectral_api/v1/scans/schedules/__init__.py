"""Schedules of scans over HTTP."""
