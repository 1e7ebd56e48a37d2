"""Conversations: the traces that share a session id."""
