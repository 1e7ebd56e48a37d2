"""The three splits of a workspace's cases: who may look at which, and how a case comes into one."""

from enum import StrEnum

from spectral_platform.core.crypto import keyed_digest
from spectral_platform.core.values import Value

EXPOSURE_LIMIT = 20
"""In so many verdicts may a case of the holdout serve: reuse was measured without inflation up to here."""
EXPOSURE_WARNING = 10
"""From so many on readiness warns."""


class Split(StrEnum):
    """What a case is for."""

    TRAIN = "train"
    """The proposer learns from it."""
    DEV = "dev"
    """Candidates are compared on it."""
    HOLDOUT = "holdout"
    """Only the finalist meets it."""


class SplitCounts(Value):
    """How many content groups are in each split; ``worn`` of the holdout's have served in 10 verdicts or more."""

    train: int
    dev: int
    holdout: int
    worn: int


def choose_split(split_key: bytes, content_group: str) -> Split:
    """Train 40 %, dev 20 %, holdout 40 %, by HMAC-SHA-256 modulo 100: without the key nobody can tell which."""
    share = int.from_bytes(keyed_digest(split_key, "split", content_group)) % 100
    if share < 40:
        return Split.TRAIN
    return Split.DEV if share < 60 else Split.HOLDOUT
