"""Answers that are kept for a day, so that a request which is sent again is not carried out again."""
