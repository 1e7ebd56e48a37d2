"""Traces: what agents did, as spans and their exact roll-ups, and what people and programs thought of it."""
