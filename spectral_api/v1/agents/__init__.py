"""Agents and their configs over HTTP."""
