"""Prompts of known templates, for measuring how well templates are inferred."""
