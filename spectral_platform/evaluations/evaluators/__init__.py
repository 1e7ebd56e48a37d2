"""Code evaluators, one file a kind."""
