"""Writing rubrics from what was observed: drafts for an agent, and suggestions for a rubric in use."""
