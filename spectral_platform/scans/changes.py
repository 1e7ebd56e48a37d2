"""What one case says of both arms of a comparison. ``pairing`` sums it up over cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from spectral_platform.evaluations.scoring import References
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.trials import Trial
from spectral_platform.scans.unknowns import (
    AT_WORST,
    Arm,
    critical_change,
    dimension_changes,
    doubted_runs,
    fill,
    filled_scores,
    known_mean,
    means_of,
    run_composites,
    scores_of,
)

MUST_PASS = "must_pass"
"""The tag of samples that no change may break."""
MUST_PASS_FAILURES = 2


@dataclass(frozen=True, slots=True)
class Change:
    """A case in both arms, means over its runs, with what the candidate leaves open at one worth.

    ``composites`` are None where the baseline's answers say nothing, and of a stimulus. ``left_open`` is the share of runs that
    the candidate leaves open, ``held`` the composite's difference with single unknown dimensions and amounts filled in where
    that speaks more against the candidate (at its best: more for it). ``authorities`` are the differences of A and of B.
    """

    left_open: float
    authorities: tuple[float | None, float | None]
    worsened: bool
    mended: bool
    composites: tuple[float, float] | None = None
    held: float = 0.0
    is_doubtful: bool = False
    lengths: tuple[float, float] = (0.0, 0.0)
    filled: tuple[tuple[str, float], ...] = ()
    dimensions: Mapping[str, float] = field(default_factory=dict)
    loses_must_pass: bool = False
    may_lose_must_pass: bool = False
    costs: tuple[float, float] | None = None


def change_of(base: Arm, other: Arm, standard: Standard, references: References, unknown: float) -> Change:
    """What a case says, with what the candidate leaves open worth so much."""
    filled = fill(base, other, standard, references, unknown)
    worsened, mended = critical_change(base, other, unknown)
    authorities = _authority(base, filled, "authority_a", unknown), _authority(base, filled, "authority_b", unknown)
    if base[0][0].case.kind == "stimulus":
        left_open = fmean(None in scores for scores in scores_of(base, other))
        return Change(left_open, authorities, worsened, mended)
    runs, is_open = run_composites(base, other, standard, unknown)
    doubts = doubted_runs(base, other, filled, standard, unknown, is_open)
    compared = means_of(runs)
    in_doubt = means_of([doubt or run for doubt, run in zip(doubts, runs, strict=True)])
    extreme = min if unknown == AT_WORST else max
    return Change(
        left_open=fmean(is_open),
        authorities=authorities,
        worsened=worsened,
        mended=mended,
        composites=compared,
        held=extreme(after - before for before, after in (compared, in_doubt or compared)) if compared else 0.0,
        is_doubtful=any(doubts),
        lengths=(_length(base), _length(other)),
        filled=tuple(filled_scores(base, filled, unknown)),
        dimensions=dimension_changes(base, other, filled, standard, unknown),
        loses_must_pass=_loses_must_pass(base, other, unknown=False),
        may_lose_must_pass=_loses_must_pass(base, filled, unknown=True),
        costs=_costs(base, other),
    )


def _authority(base: Arm, filled: Arm, name: str, unknown: float) -> float | None:
    before = known_mean(getattr(score, name) for _, score in base if score is not None)
    after = known_mean(unknown if score is None else getattr(score, name) for _, score in filled)
    return None if before is None or after is None else after - before


def _length(arm: Arm) -> float:
    return fmean(len(trial.output) for trial, _ in arm)


def _loses_must_pass(base: Arm, other: Arm, *, unknown: bool) -> bool:
    """Whether the candidate fails what must pass; with ``unknown``, also where runs of either could not be scored."""
    if MUST_PASS not in base[0][0].case.tags:
        return False
    failures = [
        sum(_fails(trial) or (not unknown and score is None) for trial, score in base),
        sum(_fails(trial) or (unknown and score is None) for trial, score in other),
    ]
    return not failures[0] and failures[1] >= min(MUST_PASS_FAILURES, len(other))


def _fails(trial: Trial) -> bool:
    """Whether an answer fails anything that it is held to. One that was not scored says nothing."""
    evaluations = [rule.evaluation for rule in trial.rules] + [dimension.evaluation for dimension in trial.dimensions]
    return any(evaluation.passed is False for evaluation in evaluations)


def _costs(base: Arm, other: Arm) -> tuple[float, float] | None:
    means = [known_mean(trial.measures.cost_usd for trial, _ in arm) for arm in (base, other)]
    return None if means[0] is None or means[1] is None else (means[0], means[1])
