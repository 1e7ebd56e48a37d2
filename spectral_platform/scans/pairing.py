"""Baseline and candidate on the same cases, as paired differences: what every comparison of a scan is made of."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.scoring import CaseScore, References, paired_composites
from spectral_platform.evaluations.terms import AMOUNTS, Statistic
from spectral_platform.scans.cases import Case
from spectral_platform.scans.changes import Change, change_of
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.trials import Trial, TrialStatus
from spectral_platform.scans.unknowns import AT_BEST, AT_WORST, Arm, means_of, run_composites

SEVERE_LOSS = -0.5
"""A case that loses so much was broken, not merely changed."""


class Differences(Value):
    """Differences candidate − baseline, one for each content group: repeats are averaged within the case, near-duplicates within
    their group, because neither are independent evidence (Miller 2024, arXiv 2411.00640).

    The composite and authority B are over samples, the customer's own traffic; authority A is over samples and stimuli. What the
    candidate leaves open cannot help it: a run that could not be scored, or where it says nothing and the baseline does, enters
    the composite at its worst, the baseline's score against 0, and likewise both authorities where it is the candidate that was
    not scored; in authority B a dimension that applied to the baseline's answer alone counts 0. ``unscored`` are such samples,
    each by the share of its runs, ``unscored_stimuli`` such stimuli. ``doubted`` are the differences with such dimensions at 0
    and amounts that are unknown in one arm alone at their worst, or without them where that is worse still, and empty where there
    are none; ``doubtful`` counts the cases that have some. ``slices`` are these by tag, or the composite's where there are none.
    ``dimensions`` are over the samples that both arms scored, by key; in one with a minimum, what the candidate alone leaves open
    counts 0. ``must_pass_lost`` counts the samples tagged `must_pass` that the baseline is known always to pass and the candidate
    fails in two runs, or in its only one; ``must_pass_unknown`` those that it may have lost, because runs were not scored, or not
    in every dimension. ``critical_mended`` are cases of which every run of the candidate is known. ``lengths`` are those of the
    answers that the composites are of, in characters. ``filled_means`` are the candidate's means of quality and the dimensions,
    with what it leaves open.
    """

    composites: tuple[tuple[float, float], ...]
    lengths: tuple[tuple[float, float], ...] = ()
    doubted: tuple[float, ...] = ()
    doubtful: int = 0
    authority_a: tuple[float, ...]
    authority_b: tuple[float, ...]
    dimensions: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    slices: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    must_pass_lost: int = 0
    must_pass_unknown: int = 0
    unscored: float
    stimuli: int
    unscored_stimuli: float
    critical_worsened: int
    critical_mended: int
    filled_means: dict[str, float] = Field(default_factory=dict)

    @property
    def composite(self) -> tuple[float, ...]:
        """The differences of the composites."""
        return tuple(after - before for before, after in self.composites)

    @property
    def cases(self) -> int:
        """Sample pairs; near-duplicates are one."""
        return len(self.composites)

    @property
    def severe(self) -> int:
        """Sample pairs that lost half a point or more, with what is unknown of them held against the candidate."""
        return sum(difference <= SEVERE_LOSS for difference in self.doubted or self.composite)


class BoundedDifferences(Differences):
    """The differences with what the candidate leaves open at its worst for it, and at its best.

    ``if_best`` are None where nothing is left open: the unknown is no evidence of harm, nor of there being nothing to gain. The
    truth lies between both (Horowitz and Manski 2000, JASA 95(449)).
    """

    if_best: Differences | None = None

    @property
    def at_best(self) -> Differences:
        """The differences with what the candidate leaves open at its best."""
        return self.if_best or self


class Pairs(BoundedDifferences):
    """The differences of two arms, and what each arm is by itself.

    ``candidate_amounts`` are what it took on the samples, by metric: money, time and tokens. None is what is unknown, and
    ``candidate_ceilings`` are the most that an answer could take, by its request, where that is known of all and was kept.
    ``baseline_answers`` and ``candidate_answers`` are what the first run of each sample took where a limit is on a percentile of
    answers, which no mean of several keeps.
    """

    baseline_means: dict[str, float]
    candidate_means: dict[str, float]
    baseline_costs: tuple[float, ...]
    candidate_costs: tuple[float, ...]
    candidate_amounts: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    candidate_ceilings: dict[str, float] = Field(default_factory=dict)
    baseline_answers: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    candidate_answers: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)


class Groups:
    """Values by content group, which are worth one value together."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, group: str, value: float) -> None:
        """Take in the value of one case."""
        self._values[group].append(value)

    @property
    def means(self) -> tuple[float, ...]:
        """The mean of each group, in the order in which they came."""
        return tuple(fmean(values) for values in self._values.values())


class Pairing:
    """Two arms on the same cases, as they come in: what a case says is worked out once, however often the arms are summed up."""

    def __init__(self, standard: Standard, references: References) -> None:
        self._standard = standard
        self._references = references
        self._baseline: dict[str, Arm] = {}
        self._candidate: dict[str, Arm] = {}
        self._changes: dict[float, dict[str, Change]] = {AT_WORST: {}, AT_BEST: {}}

    def add(self, baseline: Iterable[Trial], candidate: Iterable[Trial]) -> None:
        """Take in further cases, each with all of its runs."""
        for known, arm in zip((self._baseline, self._candidate), only_covered(baseline, candidate), strict=True):
            known.update(_by_case(arm, self._standard, self._references))

    def differences(self) -> BoundedDifferences:
        """What differs on all cases that both arms ran."""
        found = self._sum(AT_WORST)
        is_open = found.doubtful or found.unscored or found.unscored_stimuli
        return BoundedDifferences.model_construct(**vars(found), if_best=self._sum(AT_BEST) if is_open else None)

    def pairs(self) -> Pairs:
        """The same, and what each arm is by itself."""
        differences = self.differences()
        costs = [change.costs for _, change in self._each(AT_WORST) if change.costs is not None]
        return Pairs.model_construct(
            **vars(differences),
            baseline_means=_means(self._baseline, (before for before, _ in differences.composites)),
            candidate_means=_means(self._candidate, (after for _, after in differences.composites)),
            baseline_costs=tuple(cost for cost, _ in costs),
            candidate_costs=tuple(cost for _, cost in costs),
            candidate_amounts=_amounts(self._candidate),
            candidate_ceilings=_ceilings(self._candidate),
            baseline_answers=_answers(self._baseline, self._standard),
            candidate_answers=_answers(self._candidate, self._standard),
        )

    def _sum(self, unknown: float) -> Differences:
        before, after, doubted, unscored = Groups(), Groups(), Groups(), Groups()
        lengths = Groups(), Groups()
        doubtful = set[str]()
        authorities = Groups(), Groups()
        dimensions: dict[str, Groups] = defaultdict(Groups)
        slices: dict[str, Groups] = defaultdict(Groups)
        filled_means: dict[str, list[float]] = defaultdict(list)
        stimuli: list[float] = []
        changes = list(self._each(unknown))
        for case, change in changes:
            group = case.content_group
            if case.kind == "stimulus":
                stimuli.append(change.left_open)
            if change.composites is not None:
                before.add(group, change.composites[0])
                after.add(group, change.composites[1])
                unscored.add(group, change.left_open)
                doubted.add(group, change.held)
                doubtful.update([group] if change.is_doubtful else [])
                for written, length in zip(lengths, change.lengths, strict=True):
                    written.add(group, length)
                for tag in case.tags:
                    slices[tag].add(group, change.held)
            for name, score in change.filled:
                filled_means[name].append(score)
            for name, difference in change.dimensions.items():
                dimensions[name].add(group, difference)
            for authority, found in zip(authorities, change.authorities, strict=True):
                if found is not None:
                    authority.add(group, found)
        lost = sum(change.loses_must_pass for _, change in changes)
        return Differences(
            composites=tuple(zip(before.means, after.means, strict=True)),
            lengths=tuple(zip(*(written.means for written in lengths), strict=True)),
            doubted=doubted.means if doubtful else (),
            doubtful=len(doubtful),
            authority_a=authorities[0].means,
            authority_b=authorities[1].means,
            dimensions={name: found.means for name, found in sorted(dimensions.items())},
            slices={tag: found.means for tag, found in sorted(slices.items())},
            must_pass_lost=lost,
            must_pass_unknown=sum(change.may_lose_must_pass for _, change in changes) - lost,
            unscored=sum(unscored.means),
            stimuli=len(stimuli),
            unscored_stimuli=sum(stimuli),
            critical_worsened=sum(change.worsened for _, change in changes),
            critical_mended=sum(change.mended for _, change in changes),
            filled_means={name: fmean(scores) for name, scores in filled_means.items()},
        )

    def _each(self, unknown: float) -> Iterator[tuple[Case, Change]]:
        known = self._changes[unknown]
        for key in sorted(self._baseline.keys() & self._candidate.keys()):
            base = self._baseline[key]
            if key not in known:
                known[key] = change_of(base, self._candidate[key], self._standard, self._references, unknown)
            yield base[0][0].case, known[key]


def pair(baseline: Iterable[Trial], candidate: Iterable[Trial], standard: Standard, references: References) -> Pairs:
    """Pair two arms that ran the same cases."""
    pairing = Pairing(standard, references)
    pairing.add(baseline, candidate)
    return pairing.pairs()


def pair_composites(
    baseline: Iterable[Trial], candidate: Iterable[Trial], standard: Standard, references: References
) -> tuple[float, ...]:
    """The differences of the composites alone, as ``pair`` has them."""
    first, second = (_by_case(arm, standard, references) for arm in only_covered(baseline, candidate))
    before, after = Groups(), Groups()
    for key in sorted(first.keys() & second.keys()):
        case = first[key][0][0].case
        compared = means_of(run_composites(first[key], second[key], standard, AT_WORST)[0]) if case.kind == "sample" else None
        if compared is not None:
            before.add(case.content_group, compared[0])
            after.add(case.content_group, compared[1])
    return tuple(last - once for once, last in zip(before.means, after.means, strict=True))


def only_covered(baseline: Iterable[Trial], candidate: Iterable[Trial]) -> tuple[list[Trial], list[Trial]]:
    """Both arms without the runs in which the baseline asked a tool for what no recording answers.

    Which those are is nothing that a change could choose. Where the candidate alone does so, the run is one that could not be
    scored: were it left out, a change could hide what it breaks behind calls that nobody ever made.
    """
    arms = list(baseline), list(candidate)
    left_out = uncovered_runs(arms[0])
    first, second = ([trial for trial in arm if (trial.case.key, trial.repeat) not in left_out] for arm in arms)
    return first, second


def uncovered_runs(arm: Iterable[Trial]) -> set[tuple[str, int]]:
    """The runs, by case and repeat, in which a tool was asked for what no recording answers."""
    return {(trial.case.key, trial.repeat) for trial in arm if trial.status is TrialStatus.UNCOVERED}


def trial_composites(first: Trial, second: Trial, standard: Standard, references: References) -> tuple[float, float] | None:
    """Both trials' composites over what is known of both; None when either was not scored or they say nothing."""
    scores = first.score(standard, references), second.score(standard, references)
    return None if scores[0] is None or scores[1] is None else paired_composites(scores[0], scores[1], standard.terms)


def screen(parent: Iterable[Trial], child: Iterable[Trial], standard: Standard, references: References) -> tuple[float, float]:
    """The sums of both arms' composites over a minibatch, samples and stimuli alike.

    A screen, never evidence. A child that could not be scored counts 0, as in the verdict, and a case in which its parent asked a
    tool for what no recording answers counts for neither.
    """
    before = after = 0.0
    for first, second in zip(parent, child, strict=True):
        if first.status is TrialStatus.UNCOVERED:
            continue
        compared = trial_composites(first, second, standard, references)
        before += first.composite(standard, references) if compared is None else compared[0]
        after += second.composite(standard, references) if compared is None else compared[1]
    return before, after


def _means(arms: Mapping[str, Arm], composites: Iterable[float]) -> dict[str, float]:
    """The mean of every metric over an arm; the composite, over the terms known in both arms, and costs are over samples."""
    values: dict[str, list[float]] = defaultdict(list, {"composite": list(composites)})
    for trial, score in (entry for arm in arms.values() for entry in arm):
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
        for name in AMOUNTS:
            _add(values, name, getattr(trial.measures, name))
    return {name: fmean(found) for name, found in sorted(values.items()) if found}


def _by_case(trials: Iterable[Trial], standard: Standard, references: References) -> dict[str, Arm]:
    grouped: dict[str, list[tuple[Trial, CaseScore | None]]] = defaultdict(list)
    for trial in trials:
        grouped[trial.case.key].append((trial, trial.score(standard, references)))
    return {key: tuple(sorted(entries, key=lambda entry: entry[0].repeat)) for key, entries in grouped.items()}


def _amounts(arm: Mapping[str, Arm]) -> dict[str, tuple[float | None, ...]]:
    """What the samples of an arm took, by metric; near-duplicates are one value. None is what is unknown of one of its runs."""
    found: dict[str, dict[str, list[float | None]]] = {name: defaultdict(list) for name in AMOUNTS}
    for trial in _sample_trials(arm):
        for name in AMOUNTS:
            found[name][trial.case.content_group].append(getattr(trial.measures, name))
    return {name: tuple(_mean_if_known(amounts) for amounts in groups.values()) for name, groups in found.items() if groups}


def _ceilings(arm: Mapping[str, Arm]) -> dict[str, float]:
    """The most that one of an arm's answers could take, by metric, where it is known of all, and kept: not all servers do."""
    trials = list(_sample_trials(arm))
    found = {name: [(getattr(trial.ceiling, name), getattr(trial.measures, name) or 0) for trial in trials] for name in AMOUNTS}
    is_kept = {name: all(most is not None and taken <= most for most, taken in both) for name, both in found.items()}
    return {name: max(most for most, _ in both) for name, both in found.items() if both and is_kept[name]}


def _sample_trials(arm: Mapping[str, Arm]) -> Iterator[Trial]:
    return (trial for entries in arm.values() for trial, _ in entries if trial.case.kind == "sample")


def _mean_if_known(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return fmean(known) if len(known) == len(amounts) else None


def _answers(arm: Mapping[str, Arm], standard: Standard) -> dict[str, tuple[float | None, ...]]:
    """What the first run of each sample took, of near-duplicates the first one, by the metrics whose percentile is limited.

    One answer a case, because runs of one case resemble each other, and a percentile's bound counts independent answers. None is
    what is not known of an answer; where it is known of none, the metric is unknown.
    """
    firsts: dict[str, Trial] = {}
    metrics = {constraint.metric for constraint in standard.constraints if constraint.statistic is Statistic.P95}
    for (trial, _), *_ in arm.values() if metrics else ():
        if trial.case.kind == "sample":
            firsts.setdefault(trial.case.content_group, trial)
    found = {metric: tuple(getattr(trial.measures, metric) for trial in firsts.values()) for metric in sorted(metrics)}
    return {metric: amounts for metric, amounts in found.items() if any(amount is not None for amount in amounts)}


def _add(values: dict[str, list[float]], name: str, value: float | None) -> None:
    if value is not None:
        values[name].append(value)
