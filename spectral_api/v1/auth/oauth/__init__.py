"""Logging in through identity providers over HTTP."""
