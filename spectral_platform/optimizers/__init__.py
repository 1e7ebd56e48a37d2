"""Candidate generation: proposals from failures, arms of parameters."""
