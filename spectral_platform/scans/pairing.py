"""Baseline and candidate on the same cases, as paired differences: what every comparison of a scan is made of."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from spectral_platform.core.values import Value
from spectral_platform.evaluations.scoring import CaseScore, References, paired_composites
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.trials import Trial

Arm = Sequence[tuple[Trial, CaseScore | None]]


class Pairs(Value):
    """Differences candidate − baseline, one for each case, repeats averaged within the case.

    The composite and authority B are over samples, the customer's own traffic; authority A is over samples and stimuli. A case
    that could not be scored enters the composite at its worst, −(baseline's score), and is counted in ``unscored``. A
    stimulus that could not be scored is left out and counted in ``unscored_stimuli``.
    """

    composite: tuple[float, ...]
    authority_a: tuple[float, ...]
    authority_b: tuple[float, ...]
    unscored: int
    stimuli: int
    unscored_stimuli: int
    critical_worsened: int
    critical_mended: int
    baseline_means: dict[str, float]
    candidate_means: dict[str, float]
    baseline_costs: tuple[float, ...]
    candidate_costs: tuple[float, ...]

    @property
    def cases(self) -> int:
        """Sample pairs."""
        return len(self.composite)


def pair(baseline: Iterable[Trial], candidate: Iterable[Trial], standard: Standard, references: References) -> Pairs:
    """Pair two arms that ran the same cases."""
    arms = [_by_case(arm, standard, references) for arm in (baseline, candidate)]
    composite: list[float] = []
    differences: dict[str, list[float]] = {"a": [], "b": []}
    costs: list[tuple[float, float]] = []
    unscored = stimuli = unscored_stimuli = worsened = mended = 0
    for key in sorted(arms[0].keys() & arms[1].keys()):
        base, other = arms[0][key], arms[1][key]
        is_sample = base[0][0].case.kind == "sample"
        if is_sample:
            difference, is_scored = _composite(base, other, standard)
            unscored += not is_scored
            if difference is not None:
                composite.append(difference)
            if (costs_of := _costs(base, other)) is not None:
                costs.append(costs_of)
        else:
            stimuli += 1
            unscored_stimuli += any(score is None for arm in (base, other) for _, score in arm)
        for name, attribute in (("a", "authority_a"), ("b", "authority_b")):
            means = [_mean(getattr(score, attribute) for _, score in arm if score is not None) for arm in (base, other)]
            if means[0] is not None and means[1] is not None:
                differences[name].append(means[1] - means[0])
        broke = [any(score.critical for _, score in arm if score is not None) for arm in (base, other)]
        worsened += broke[1] and not broke[0]
        mended += broke[0] and not broke[1]
    return Pairs(
        composite=tuple(composite),
        authority_a=tuple(differences["a"]),
        authority_b=tuple(differences["b"]),
        unscored=unscored,
        stimuli=stimuli,
        unscored_stimuli=unscored_stimuli,
        critical_worsened=worsened,
        critical_mended=mended,
        baseline_means=metric_means(entry for arm in arms[0].values() for entry in arm),
        candidate_means=metric_means(entry for arm in arms[1].values() for entry in arm),
        baseline_costs=tuple(cost for cost, _ in costs),
        candidate_costs=tuple(cost for _, cost in costs),
    )


def metric_means(entries: Iterable[tuple[Trial, CaseScore | None]]) -> dict[str, float]:
    """The mean of every metric over an arm; the composite and costs are over samples."""
    values: dict[str, list[float]] = defaultdict(list)
    for trial, score in entries:
        if score is None:
            continue
        for key, rule in score.rules.items():
            _add(values, f"rule:{key}", rule)
        _add(values, "authority_a", score.authority_a)
        if trial.case.kind == "stimulus":
            continue
        for key, dimension in score.dimensions.items():
            _add(values, f"dimension:{key}", dimension)
        _add(values, "authority_b", score.authority_b)
        _add(values, "quality", score.quality)
        _add(values, "composite", score.composite)
        for name in ("cost_usd", "latency_ms", "total_tokens"):
            _add(values, name, getattr(trial.measures, name))
    return {name: fmean(found) for name, found in sorted(values.items())}


def _by_case(trials: Iterable[Trial], standard: Standard, references: References) -> dict[str, Arm]:
    grouped: dict[str, list[tuple[Trial, CaseScore | None]]] = defaultdict(list)
    for trial in trials:
        grouped[trial.case.key].append((trial, trial.score(standard, references)))
    return {key: tuple(sorted(entries, key=lambda entry: entry[0].repeat)) for key, entries in grouped.items()}


def _composite(base: Arm, other: Arm, standard: Standard) -> tuple[float | None, bool]:
    """The difference of a sample's composites and whether it was really scored; None when it says nothing."""
    known = _mean(score.composite for _, score in base if score is not None)
    scored = [
        paired_composites(first, second, standard.terms)
        for (_, first), (_, second) in zip(base, other, strict=True)
        if first is not None and second is not None
    ]
    if len(scored) < len(base):
        return (-1.0 if known is None else -known), False
    said = [composites for composites in scored if composites is not None]
    if not said:
        return None, True
    return fmean(second - first for first, second in said), True


def _costs(base: Arm, other: Arm) -> tuple[float, float] | None:
    means = [_mean(trial.measures.cost_usd for trial, _ in arm) for arm in (base, other)]
    return None if means[0] is None or means[1] is None else (means[0], means[1])


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _add(values: dict[str, list[float]], name: str, value: float | None) -> None:
    if value is not None:
        values[name].append(value)
