"""Scores of traces: what each dimension of a rubric found in an answer that the agent really gave."""
