"""Inference: what template an agent's rendered prompts were made from."""
