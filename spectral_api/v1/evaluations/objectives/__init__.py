"""Objectives over HTTP."""
