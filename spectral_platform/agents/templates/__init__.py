"""Managed templates: named, versioned prompt text that agents share."""
