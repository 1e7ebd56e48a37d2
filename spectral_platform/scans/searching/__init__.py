"""Searching: how the candidates of one agent are found on training cases, one file for each way."""
