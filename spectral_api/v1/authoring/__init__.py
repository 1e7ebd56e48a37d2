"""Drafts of rubrics and suggestions for them over HTTP."""
