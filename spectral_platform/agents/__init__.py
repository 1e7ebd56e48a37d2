"""Agents, their immutable config versions and labels."""
