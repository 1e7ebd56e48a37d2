"""Proposed changes to agents with their evidence: explained, accepted or rejected, applied, rolled back."""
