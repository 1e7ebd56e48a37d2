"""What a judge's agreement with people is worth: the figures, the state that follows from them, and whether it drifts."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.statistics.proportions import fisher_exact_less
from spectral_platform.statistics.raters import (
    Interval,
    Ratings,
    agreement,
    cohens_kappa,
    gwets_ac1,
    sensitivity,
    specificity,
)

PROVISIONAL_LABELS, PROVISIONAL_KAPPA = 30, 0.2
CALIBRATED_LABELS, CALIBRATED_KAPPA = 100, 0.4
RECENT_LABELS = 30
"""The newest labels, which are held against all before them; drift is looked for from as many earlier ones on."""
DRIFT_ALPHA = 0.01


class CalibrationState(StrEnum):
    """How far a judge can be believed."""

    UNCALIBRATED = "uncalibrated"
    PROVISIONAL = "provisional"
    CALIBRATED = "calibrated"


class Mark(Value):
    """One answer of which both the judge and people said whether it is as it should be; ``at`` is when people did."""

    judge_passed: bool
    people_passed: bool
    at: datetime

    @property
    def agrees(self) -> bool:
        """Whether both said the same."""
        return self.judge_passed is self.people_passed


class Drift(Value):
    """Agreement on the newest labels against that on all earlier ones."""

    recent_n: int = Field(description="Newest labels looked at.")
    recent_agreement: float = Field(description="Share of them on which the judge agrees.")
    earlier_n: int = Field(description="Labels before those.")
    earlier_agreement: float = Field(description="Share of them on which the judge agrees.")
    p_value: float = Field(description="How likely such a fall is by chance (Fisher's exact test, one-sided).")
    alarm: bool = Field(description="Whether that is below .01.")


class Calibration(Value):
    """The judge against people. A figure is null where the labels cannot tell it."""

    n: int = Field(description="Answers of which both the judge and people said something definite.")
    ratings: Ratings = Field(description="How often each of the four combinations occurred.")
    agreement: Interval | None = Field(description="Share on which both agree.")
    kappa: Interval | None = Field(description="Cohen's kappa: agreement beyond chance.")
    ac1: Interval | None = Field(description="Gwet's AC1: the same, sound also where nearly everything passes.")
    sensitivity: Interval | None = Field(description="Of what people pass, the share that the judge passes.")
    specificity: Interval | None = Field(description="Of what people do not pass, the share that the judge does not pass.")
    bias: float | None = Field(description="The judge's pass rate minus that of people: above 0 it is too kind.")
    state: CalibrationState = Field(description="How far the judge can be believed.")
    reason: str = Field(description="Why this state.")
    labels_needed: int | None = Field(description="Labels missing for the next state; null = the number suffices.")
    drift: Drift | None = Field(description="Newest labels against earlier ones; null = too few to tell.")


def calibrate(marks: Sequence[Mark]) -> Calibration:
    """Compare judge and people on these answers."""
    ratings = Ratings(
        both_yes=sum(mark.judge_passed and mark.people_passed for mark in marks),
        false_yes=sum(mark.judge_passed and not mark.people_passed for mark in marks),
        false_no=sum(not mark.judge_passed and mark.people_passed for mark in marks),
        both_no=sum(not mark.judge_passed and not mark.people_passed for mark in marks),
    )
    kappa, drift = cohens_kappa(ratings), find_drift(marks)
    state, reason, needed = _state(ratings.n, kappa, drift)
    return Calibration(
        n=ratings.n,
        ratings=ratings,
        agreement=agreement(ratings),
        kappa=kappa,
        ac1=gwets_ac1(ratings),
        sensitivity=sensitivity(ratings),
        specificity=specificity(ratings),
        bias=(ratings.false_yes - ratings.false_no) / ratings.n if ratings.n else None,
        state=state,
        reason=reason,
        labels_needed=needed,
        drift=drift,
    )


def find_drift(marks: Sequence[Mark]) -> Drift | None:
    """Compare the newest labels with the earlier ones; None while there are too few of either."""
    ordered = sorted(marks, key=lambda mark: mark.at)
    recent, earlier = ordered[-RECENT_LABELS:], ordered[:-RECENT_LABELS]
    if len(earlier) < RECENT_LABELS:
        return None
    agreed = sum(mark.agrees for mark in recent), sum(mark.agrees for mark in earlier)
    p_value = fisher_exact_less(agreed[0], len(recent), agreed[1], len(earlier))
    return Drift(
        recent_n=len(recent),
        recent_agreement=agreed[0] / len(recent),
        earlier_n=len(earlier),
        earlier_agreement=agreed[1] / len(earlier),
        p_value=p_value,
        alarm=p_value < DRIFT_ALPHA,
    )


def _state(n: int, kappa: Interval | None, drift: Drift | None) -> tuple[CalibrationState, str, int | None]:
    if n < PROVISIONAL_LABELS:
        return (
            CalibrationState.UNCALIBRATED,
            f"{n} labels; {PROVISIONAL_LABELS} are the least that say something.",
            PROVISIONAL_LABELS - n,
        )
    missing = CALIBRATED_LABELS - n if n < CALIBRATED_LABELS else None
    if kappa is None:
        said = "All labels and judgements are the same, so agreement cannot be told from chance; label other kinds of answers."
        return CalibrationState.UNCALIBRATED, said, missing
    bound = f"With 95 % confidence kappa is at least {kappa.lower:.2f} on {n} labels"
    if kappa.lower < PROVISIONAL_KAPPA:
        return CalibrationState.UNCALIBRATED, f"{bound}; {PROVISIONAL_KAPPA} is asked for.", missing
    if drift is not None and drift.alarm:
        fall = f"{drift.earlier_agreement:.0%} to {drift.recent_agreement:.0%}"
        return CalibrationState.PROVISIONAL, f"{bound}, but on the newest labels agreement fell from {fall}.", missing
    if missing is not None or kappa.lower < CALIBRATED_KAPPA:
        asked = f"{CALIBRATED_LABELS} labels and {CALIBRATED_KAPPA} are asked for to be calibrated."
        return CalibrationState.PROVISIONAL, f"{bound}; {asked}", missing
    return CalibrationState.CALIBRATED, f"{bound}.", None
