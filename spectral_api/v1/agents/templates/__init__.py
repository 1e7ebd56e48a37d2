"""Endpoints of managed templates."""
