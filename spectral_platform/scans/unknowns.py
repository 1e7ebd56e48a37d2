"""What a candidate's runs on a case leave open, and what it may be worth: nothing at its worst, everything at its best.

What speaks for a change is computed with the unknown at its worst, and what speaks against it with the unknown at its best.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.scoring import CaseScore, References, doubted_composites, paired_composites
from spectral_platform.evaluations.terms import DIMENSION_PREFIX
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.trials import Trial, TrialStatus

AT_WORST, AT_BEST = 0.0, 1.0
"""What the score is worth that a candidate leaves open."""
EVADED = {
    AT_WORST: Evaluation.failure("unknown@1", "It is not known whether the answer meets it."),
    AT_BEST: Evaluation.success("unknown@1"),
}
"""What a dimension may be that applied to the baseline's answer and, it is said, not to the candidate's."""

Arm = Sequence[tuple[Trial, CaseScore | None]]


def run_composites(
    base: Arm, other: Arm, standard: Standard, unknown: float
) -> tuple[list[tuple[float, float] | None], list[bool]]:
    """The composites of every run of a sample, None where the baseline says nothing, and which runs are left open."""
    known = known_mean(score.composite for _, score in base if score is not None)
    usual = 1 - unknown if known is None else known
    runs, is_open = [], []
    for first, second in scores_of(base, other):
        compared = None if first is None or second is None else paired_composites(first, second, standard.terms)
        is_open.append(compared is None and (first is None or second is None or first.composite is not None))
        if is_open[-1]:
            compared = usual if first is None or first.composite is None else first.composite, unknown
        runs.append(compared)
    return runs, is_open


def means_of(runs: Iterable[tuple[float, float] | None]) -> tuple[float, float] | None:
    """The means of both arms over the runs that say something."""
    said = [run for run in runs if run is not None]
    return (fmean(first for first, _ in said), fmean(second for _, second in said)) if said else None


def scores_of(base: Arm, other: Arm) -> Iterator[tuple[CaseScore | None, CaseScore | None]]:
    """The scores of every run in both arms."""
    return ((first, second) for (_, first), (_, second) in zip(base, other, strict=True))


def fill(base: Arm, other: Arm, standard: Standard, references: References, unknown: float) -> Arm:
    """The candidate's arm with what it may be worth in every dimension that it evaded: that applied to the baseline's answer."""
    if all(found.evaluation.score is not None for trial, _ in other for found in trial.dimensions):
        return other
    filled = []
    for (first, _), (trial, score) in zip(base, other, strict=True):
        answered = first.dimensions if first.status is TrialStatus.ANSWERED else ()  # an error fails what does not apply, too
        applied = {found.key for found in answered if found.evaluation.score is not None}
        dimensions = tuple(
            replace(found, evaluation=EVADED[unknown]) if found.evaluation.score is None and found.key in applied else found
            for found in trial.dimensions
        )
        if score is not None and dimensions != trial.dimensions:
            trial = replace(trial, dimensions=dimensions)
            score = trial.score(standard, references)
        filled.append((trial, score))
    return tuple(filled)


def doubted_runs(
    base: Arm, other: Arm, filled: Arm, standard: Standard, unknown: float, is_open: Iterable[bool]
) -> list[tuple[float, float] | None]:
    """The composites of every run with what one arm alone tells of it filled in; None where that is nothing."""
    return [
        None
        if first is None or second is None or evaded is None or left_open
        else doubted_composites(first, second, evaded, standard.terms, unknown=unknown)
        for (first, second), (_, evaded), left_open in zip(scores_of(base, other), filled, is_open, strict=True)
    ]


def dimension_changes(base: Arm, other: Arm, filled: Arm, standard: Standard, unknown: float) -> dict[str, float]:
    """The change of every dimension that both arms have a score in; in one with a minimum, of what the baseline's has one in."""
    must_hold = {dimension.key for dimension in standard.dimensions if dimension.minimum is not None}
    changes = {}
    for key in {key: None for _, score in base if score is not None for key in score.dimensions}:
        before = known_mean(score.dimensions.get(key) for _, score in base if score is not None)
        after = known_mean(score.dimensions.get(key) for _, score in other if score is not None)
        if key in must_hold:
            after = known_mean(unknown if score is None else score.dimensions.get(key) for _, score in filled)
            after = unknown if after is None else after
        if before is not None and after is not None:
            changes[key] = after - before
    return changes


def filled_scores(base: Arm, filled: Arm, unknown: float) -> Iterator[tuple[str, float]]:
    """The candidate's quality and dimensions, run by run; a run that is left open counts where the baseline's has a score."""
    for (_, first), (_, second) in zip(base, filled, strict=True):
        if (said := first if second is None else second) is None:
            continue
        dimensions = {f"{DIMENSION_PREFIX}{key}": score for key, score in said.dimensions.items()}
        for metric, score in {"quality": said.quality, **dimensions}.items():
            if score is not None:
                yield metric, unknown if second is None else score


def critical_change(base: Arm, other: Arm, unknown: float) -> tuple[bool, bool]:
    """Whether the candidate newly breaks a critical rule, and whether it mends one.

    An agent that gives nothing mends nothing. What it leaves open is not mended at its worst. Nor, at its best, is broken anew
    what the baseline leaves open.
    """
    broke = [any(score.critical for _, score in arm if score is not None) for arm in (base, other)]
    is_known = [all(score is not None for _, score in arm) for arm in (base, other)]
    breaks = broke[1] and not broke[0] and (is_known[0] or unknown == AT_WORST)
    is_zeroed = any(score.is_zeroed for _, score in other if score is not None)
    mends = broke[0] and not is_zeroed and (is_known[1] or unknown == AT_BEST)
    return breaks, mends


def known_mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
