"""Schedules: scans that start by the clock, or when somebody outside calls."""
