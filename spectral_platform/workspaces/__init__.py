"""Workspaces: the tenants that everything else lives in, and their members."""
