"""Verifiable instructions, by the names and arguments of IFEval (arXiv 2311.07911), with a few of the same kind beside them."""
