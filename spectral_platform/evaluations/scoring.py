"""The one composite score of a case: two authorities, blended for ranking and kept apart for judging.

Authority A is the world model's rules, authority B the workspace's rubric. With NA meaning that nothing applied::

    A, B = weighted means of the scores that are not NA (NA when all are)
    Q    = ½ A + ½ B (the other alone when one is NA)
    s    = 0 if a critical rule failed or the agent itself did, else the objective's weighted terms (without terms, Q)

A term's utility is in [0, 1]: a score as it is, a cost x as min(1, x / reference), each turned round when less is
better. A term that is NA drops out and the weights of the others renormalise.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.terms import AMOUNTS, Direction, ObjectiveTerm

_QUALITY_ALONE = (ObjectiveTerm(metric="quality", direction=Direction.MAXIMIZE, weight=1),)


class CaseStatus(StrEnum):
    """Whether there is an answer to score."""

    ANSWERED = "answered"
    AGENT_ERROR = "agent_error"
    """The agent crashed, timed out or gave no valid output: a real failure, which scores 0."""


@dataclass(frozen=True, slots=True)
class RuleEvaluation:
    """What authority A found by one rule."""

    key: str
    evaluation: Evaluation
    weight: float = 1.0
    critical: bool = False


@dataclass(frozen=True, slots=True)
class DimensionEvaluation:
    """What authority B found in one dimension."""

    key: str
    weight: float
    evaluation: Evaluation
    minimum: float | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """What the answer took; None where it is unknown, such as the cost of a model without a price."""

    cost_usd: float | None = None
    latency_ms: float | None = None
    total_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class References:
    """The amounts at which a cost term is worth nothing, frozen before the search begins."""

    cost_usd: float | None = None
    latency_ms: float | None = None
    total_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class CaseScore:
    """The whole vector of one answer's scores; None is NA. ``terms`` are the utilities of the objective's metrics."""

    authority_a: float | None
    authority_b: float | None
    rules: dict[str, float | None]
    dimensions: dict[str, float | None]
    below_minimum: tuple[str, ...]
    quality: float | None
    terms: dict[str, float | None]
    composite: float | None
    critical: bool
    status: CaseStatus

    @property
    def is_zeroed(self) -> bool:
        """Whether the composite is 0 whatever else was good."""
        return self.critical or self.status is CaseStatus.AGENT_ERROR


def reference_measures(baseline: Iterable[Measures]) -> References:
    """Take twice the baseline's median of each measure; one that was never known has no reference."""
    measures = list(baseline)

    def doubled_median(known: list[float]) -> float | None:
        return 2 * statistics.median(known) if known else None

    return References(
        cost_usd=doubled_median([m.cost_usd for m in measures if m.cost_usd is not None]),
        latency_ms=doubled_median([m.latency_ms for m in measures if m.latency_ms is not None]),
        total_tokens=doubled_median([m.total_tokens for m in measures if m.total_tokens is not None]),
    )


def score_case(
    *,
    rules: Sequence[RuleEvaluation],
    dimensions: Sequence[DimensionEvaluation],
    measures: Measures,
    terms: Sequence[ObjectiveTerm],
    references: References,
    status: CaseStatus = CaseStatus.ANSWERED,
) -> CaseScore:
    """Score one answer. After an agent error every rule and dimension counts as 0, whatever was evaluated."""
    failed = status is CaseStatus.AGENT_ERROR
    rule_scores = {rule.key: 0.0 if failed else rule.evaluation.score for rule in rules}
    dimension_scores = {dimension.key: 0.0 if failed else dimension.evaluation.score for dimension in dimensions}
    authority_a = _weighted_mean((rule_scores[rule.key], rule.weight) for rule in rules)
    authority_b = _weighted_mean((dimension_scores[dimension.key], dimension.weight) for dimension in dimensions)
    quality = _weighted_mean([(authority_a, 0.5), (authority_b, 0.5)])
    terms = tuple(terms) or _QUALITY_ALONE
    utilities = {term.metric: _utility(term, quality, dimension_scores, measures, references) for term in terms}
    critical = not failed and any(rule.critical and rule.evaluation.passed is False for rule in rules)
    return CaseScore(
        authority_a=authority_a,
        authority_b=authority_b,
        rules=rule_scores,
        dimensions=dimension_scores,
        below_minimum=tuple(
            dimension.key
            for dimension in dimensions
            if dimension.minimum is not None
            and (score := dimension_scores[dimension.key]) is not None
            and score < dimension.minimum
        ),
        quality=quality,
        terms=utilities,
        composite=0.0 if failed or critical else _composite(utilities, terms, frozenset(utilities)),
        critical=critical,
        status=status,
    )


def paired_composites(baseline: CaseScore, candidate: CaseScore, terms: Sequence[ObjectiveTerm]) -> tuple[float, float] | None:
    """Give both composites over the terms known in both arms, so that an unknown price weighs on neither.

    None when either has no composite: that pair says nothing.
    """
    return _paired(baseline, candidate, tuple(terms) or _QUALITY_ALONE)


def doubted_composites(
    baseline: CaseScore, candidate: CaseScore, evaded: CaseScore, terms: Sequence[ObjectiveTerm], *, unknown: float = 0.0
) -> tuple[float, float] | None:
    """Give both composites with what is unknown in one arm alone as bad as can be for the candidate; with 1, as good.

    ``evaded`` is the candidate's score with ``unknown`` in the dimensions that it evaded; so much is a term on one of them worth,
    whichever way it is better, and an amount that only the candidate leaves out. One that only the baseline does is worth the
    rest of 1. None where nothing is unknown in one arm alone.
    """
    known = [{term.metric for term in terms if arm.terms.get(term.metric) is not None} for arm in (baseline, candidate, evaded)]
    untold = (known[0] ^ known[1]) & set(AMOUNTS)
    if not untold and evaded is candidate:
        return None
    lost = dict.fromkeys((untold | known[2]) - known[1], unknown)
    gained = dict.fromkeys(untold - known[0], 1 - unknown)
    return _paired(_with(baseline, gained), _with(evaded, lost), tuple(terms) or _QUALITY_ALONE)


def _with(score: CaseScore, utilities: dict[str, float]) -> CaseScore:
    """The score with other utilities of these metrics."""
    return replace(score, terms={**score.terms, **utilities})


def _paired(baseline: CaseScore, candidate: CaseScore, terms: tuple[ObjectiveTerm, ...]) -> tuple[float, float] | None:
    arms = (baseline, candidate)
    scored = [arm for arm in arms if not arm.is_zeroed]
    known = frozenset(term.metric for term in terms if all(arm.terms.get(term.metric) is not None for arm in scored))
    composites = [0.0 if arm.is_zeroed else _composite(arm.terms, terms, known) for arm in arms]
    if composites[0] is None or composites[1] is None:
        return None
    return composites[0], composites[1]


def _composite(utilities: dict[str, float | None], terms: Sequence[ObjectiveTerm], known: frozenset[str]) -> float | None:
    """Weigh the utilities; without quality, where quality is asked for, what is left would be a price list: NA."""
    if "quality" in utilities and (utilities["quality"] is None or "quality" not in known):
        return None
    return _weighted_mean((utilities[term.metric] if term.metric in known else None, term.weight) for term in terms)


def _utility(
    term: ObjectiveTerm,
    quality: float | None,
    dimension_scores: dict[str, float | None],
    measures: Measures,
    references: References,
) -> float | None:
    if term.metric == "quality":
        amount = quality
    elif term.dimension is not None:
        amount = dimension_scores.get(term.dimension)
    else:
        amount = _share(getattr(measures, term.metric), getattr(references, term.metric))
    if amount is None:
        return None
    return amount if term.direction is Direction.MAXIMIZE else 1 - amount


def _share(measured: float | None, reference: float | None) -> float | None:
    if measured is None or reference is None:
        return None
    if reference <= 0:
        return 0.0 if measured <= 0 else 1.0
    return min(1.0, max(0.0, measured / reference))


def _weighted_mean(scores: Iterable[tuple[float | None, float]]) -> float | None:
    known = [(score, weight) for score, weight in scores if score is not None]
    if not known:
        return None
    mean = sum(score * weight for score, weight in known) / sum(weight for _, weight in known)
    # Rounding may leave the interval by a last digit.
    return min(1.0, max(0.0, mean))
