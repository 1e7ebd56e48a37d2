"""The life of a watch over production."""

from enum import StrEnum

from spectral_platform.core.lifecycle import Lifecycle


class WatchStatus(StrEnum):
    """How a watch stands, or how it ended."""

    WATCHING = "watching"
    KEPT = "kept"
    """The time was over and no regression had been shown."""
    INCONCLUSIVE = "inconclusive"
    """The time was over, and too few traces had come for a regression to show."""
    ROLLED_BACK = "rolled_back"
    """A regression was shown, and the system put everything back."""
    STOPPED = "stopped"
    """A person decided, or the system could not act any more."""


WATCH = Lifecycle(
    {WatchStatus.WATCHING: {WatchStatus.KEPT, WatchStatus.INCONCLUSIVE, WatchStatus.ROLLED_BACK, WatchStatus.STOPPED}},
    stamps={
        WatchStatus.KEPT: "finished_at",
        WatchStatus.INCONCLUSIVE: "finished_at",
        WatchStatus.ROLLED_BACK: "finished_at",
        WatchStatus.STOPPED: "finished_at",
    },
)
