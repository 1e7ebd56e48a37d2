"""How alike two texts are by the words that they share."""

from collections import Counter

from rapidfuzz.distance import LCSseq

from spectral_platform.evaluations.evaluators.ngrams import tokens

_LONGEST = 20_000
"""Words of a text that are compared; the longest common subsequence takes the product of two lengths."""


def token_f1(one: str, other: str) -> float:
    """The F1 of the words that both texts have, each as often as both have it, as SQuAD's scorer counts (arXiv 1606.05250)."""
    mine, theirs = tokens(one), tokens(other)
    common = sum((Counter(mine) & Counter(theirs)).values())
    return _f1(common, len(mine), len(theirs)) if mine and theirs else float(one.strip() == other.strip())


def rouge_l(one: str, other: str) -> float:
    """ROUGE-L: the F1 of the longest sequence of words that both texts have in this order (Lin 2004, β = 1, no stemming)."""
    mine, theirs = tokens(one)[:_LONGEST], tokens(other)[:_LONGEST]
    if not mine or not theirs:
        return float(one.strip() == other.strip())
    return _f1(LCSseq.similarity(mine, theirs), len(mine), len(theirs))


def _f1(common: int, mine: int, theirs: int) -> float:
    return 2 * common / (mine + theirs)
