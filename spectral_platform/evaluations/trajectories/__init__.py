"""What an agent did step by step, and what went wrong in it that needs no judge."""
