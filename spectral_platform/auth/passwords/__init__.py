"""Passwords: which are good enough, changing one's own, and setting a new one by mail."""
