"""Notices: who is told how a scan ended."""
