"""What a mode of autonomy costs in mistakes: how many false improvements a year it lets through at most, at today's pace."""

from datetime import datetime, timedelta

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyMode

WINDOW = timedelta(days=90)
SHORTEST = timedelta(days=7)
"""A workspace that is younger is taken to go on as in its first week."""
YEAR = timedelta(days=365)


class ModeOutlook(Value):
    """What one mode lets through."""

    mode: AutonomyMode = Field(description="The mode.")
    alpha: float = Field(description="The level that scans are held to in it: how often a worthless candidate passes, at most.")
    minimum_pairs: int = Field(description="Sealed pairs without which nothing is decided.")
    expected_false_accepts_per_year: float = Field(
        description="False improvements in a year if no candidate were any good: the level times the comparisons; really fewer."
    )


class AutonomyOutlook(Value):
    """What every mode would let through at the pace of the last weeks."""

    mode: AutonomyMode = Field(description="The mode that the workspace is in.")
    comparisons: int = Field(description="Scans that compared a candidate on sealed cases within the last 90 days.")
    comparisons_per_year: float = Field(description="The same, for a year at this pace.")
    modes: tuple[ModeOutlook, ...] = Field(description="Every mode, from the one in which people decide most.")


def look_ahead(mode: AutonomyMode, *, comparisons: int, since: datetime | None, now: datetime) -> AutonomyOutlook:
    """The outlook from so many comparisons, the first of which was at ``since``."""
    span = min(WINDOW, max(SHORTEST, now - since)) if since is not None else WINDOW
    a_year = comparisons * (YEAR / span)
    return AutonomyOutlook(
        mode=mode,
        comparisons=comparisons,
        comparisons_per_year=round(a_year, 1),
        modes=tuple(
            ModeOutlook(
                mode=each,
                alpha=rigor.alpha,
                minimum_pairs=rigor.minimum_pairs,
                expected_false_accepts_per_year=round(a_year * rigor.alpha, 3),
            )
            for each, rigor in RIGOR.items()
        ),
    )
