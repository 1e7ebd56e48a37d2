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
    """How many cases are in each split, and how many ``groups`` of near-duplicates those of the holdout are.

    Of these ``fresh`` have served in no verdict yet, ``worn`` in 10 or more.
    """

    train: int
    dev: int
    holdout: int
    groups: int
    fresh: int
    worn: int

    def in_verdict(self, least: int, *, is_seed_given: bool) -> int:
        """How many groups of the holdout the next verdict rests on; see ``serving``."""
        return self.groups if is_seed_given else serving(self.fresh, self.groups - self.fresh, least)


def serving(fresh: int, used: int, least: int) -> int:
    """Of so many fresh and used groups of the holdout, how many serve in a verdict that needs ``least`` of them.

    At least half are fresh when there are fresh ones enough for that. When there are not, all serve: reuse was measured
    without inflation up to ``EXPOSURE_LIMIT`` verdicts, and a verdict from fewer cases shows less.
    """
    return fresh + min(fresh, used) if 2 * fresh >= least else fresh + used


def choose_split(split_key: bytes, content_group: str) -> Split:
    """Train 40 %, dev 20 %, holdout 40 %, by HMAC-SHA-256 modulo 100: without the key nobody can tell which."""
    share = int.from_bytes(keyed_digest(split_key, "split", content_group)) % 100
    if share < 40:
        return Split.TRAIN
    return Split.DEV if share < 60 else Split.HOLDOUT
