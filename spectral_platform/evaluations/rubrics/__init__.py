"""Rubrics: authority B, a workspace's own weighted dimensions of quality, in immutable versions."""
