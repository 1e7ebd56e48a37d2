"""Invitations into an account, each good for one person."""
