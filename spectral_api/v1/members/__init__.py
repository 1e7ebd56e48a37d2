"""Members over HTTP: of the account and of its workspaces."""
