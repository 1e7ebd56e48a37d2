"""Agents: who they are, what depends on what, and the immutable versions of what they run with."""
