"""What the scores of a rubric's dimensions, people's feedback and scans' failure clusters say should change in the rubric.

Pure functions of what was observed: the same evidence gives the same suggestions under the same ids. Five things are looked for:

* ``disagreement``: people's verdict on a dimension differs from its scores;
* ``blind_spot``: people dislike answers that every dimension passes;
* ``uncovered_cluster``: a scan keeps finding failures of a kind that no dimension asks for;
* ``constant``: a dimension says the same of every answer;
* ``redundant``: two dimensions say the same as one another.

A suggestion never removes a dimension that an objective names, nor the last one, and adds none to a full rubric. A dimension with
a minimum is a guard, and a guard that always holds does its work.
"""

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from uuid import UUID, uuid5

from pydantic import JsonValue

from spectral_platform.authoring.drafting import slug
from spectral_platform.authoring.suggestions import Change, Evidence, Found, Grounds, Kind, Opinion, Suggestion
from spectral_platform.core.crypto import content_digest
from spectral_platform.evaluations.dimensions import MOST_DIMENSIONS, Dimension
from spectral_platform.evaluations.evaluators.llm_judge import Criterion, LlmJudge

FEWEST_LABELS = 5
"""So many verdicts of people on a dimension can disagree with it."""
FEWEST_DISAGREEMENTS = 3
DISAGREEING_SHARE = 0.3
FEWEST_SCORES = 20
"""So many scored traces show that a dimension never varies, or varies as another one does."""
FEWEST_IN_CLUSTER = 3
LEAST_SPREAD = 0.01
"""Standard deviation below which scores are as good as constant."""
REDUNDANT = 0.95
"""Pearson correlation from which one of two dimensions says nothing of its own."""
TOP = 0.95
MOST_EVIDENCE = 10
_MOST_QUOTED = 3
_LONGEST_QUOTE = 200
_LONGEST_TEXT = 4_000
_COMPLAINT = "Gives no cause for this complaint"
_MEASURED = {"max_latency", "max_cost", "max_tokens"}
"""Kinds that measure rather than read: no reader would do it better."""
_OF_ONE_MEANING = {"groundedness", "pii", "prompt_leak", "refusal"}
"""Kinds that ask the same whatever their parameters: a dimension of such a kind sees what a rule of the kind sees."""


def suggest(grounds: Grounds) -> tuple[Suggestion, ...]:
    """Every suggestion, those that rest on people first."""
    is_full = len(grounds.dimensions) >= MOST_DIMENSIONS
    return (
        *_disagreements(grounds),
        *(() if is_full else (*_blind_spot(grounds), *_uncovered(grounds))),
        *_constants(grounds),
        *_redundancies(grounds),
    )


def _disagreements(grounds: Grounds) -> Iterator[Suggestion]:
    """Where a dimension passes what people dislike in it, or fails what they like."""
    verdicts = _verdicts(grounds.opinions)
    for dimension in grounds.dimensions:
        own = verdicts.get(dimension.key, {})
        compared = [
            found for found in _of(grounds, dimension.key) if found.passed is not None and own.get(found.trace_id, 0.0) != 0
        ]
        wrong = [found for found in compared if found.passed is not (own[found.trace_id] > 0)]
        if len(compared) < FEWEST_LABELS or len(wrong) < FEWEST_DISAGREEMENTS:
            continue
        if len(wrong) / len(compared) < DISAGREEING_SHARE:
            continue
        lenient = [found for found in wrong if found.passed]
        is_lenient = 2 * len(lenient) >= len(wrong)
        shown = lenient if is_lenient else [found for found in wrong if not found.passed]
        comments = _comments(grounds.opinions, dimension.key, {found.trace_id for found in shown})
        changed, title = _corrected(dimension, comments, is_lenient=is_lenient)
        yield Suggestion(
            id=_id(grounds, Kind.DISAGREEMENT, dimension),
            kind=Kind.DISAGREEMENT,
            title=title,
            reason=(
                f"On {len(wrong)} of {len(compared)} traces that people rated, “{dimension.name}” says the opposite; "
                f"mostly it {'passes what they dislike' if is_lenient else 'fails what they like'}."
            ),
            evidence=_evidence(
                shown,
                comments,
                compared=len(compared),
                disagreeing=len(wrong),
                share=round(len(wrong) / len(compared), 4),
                passed_but_disliked=len(lenient),
                failed_but_liked=len(wrong) - len(lenient),
            ),
            changes=(Change(action="replace", key=dimension.key, dimension=changed),),
        )


def _corrected(dimension: Dimension, comments: Sequence[str], *, is_lenient: bool) -> tuple[Dimension, str]:
    """The dimension with what people complained about; where they gave no words for it, with half its weight.

    What people like and the dimension fails is a matter for a reader too, unless a reader has failed it already.
    """
    is_judged = isinstance(dimension.evaluator, LlmJudge)
    if dimension.evaluator.kind in _MEASURED or (not comments if is_lenient else is_judged):
        halved = dimension.model_copy(update={"weight": dimension.weight / 2})
        return halved, f"Halve the weight of “{dimension.name}”, because people and scores do not agree."
    evaluator = dimension.evaluator if isinstance(dimension.evaluator, LlmJudge) else LlmJudge()
    demands = [f"{_COMPLAINT}: {comment}" for comment in comments] if is_lenient else []
    changes: dict[str, object] = {"evaluator": evaluator}
    if evaluator.criteria:
        others = [criterion for criterion in evaluator.criteria if not criterion.id.startswith("people_")]
        said = [Criterion(id=f"people_{number}", text=demand) for number, demand in enumerate(demands, 1)]
        changes["evaluator"] = evaluator.model_copy(update={"criteria": (*others[: 20 - len(said)], *said)})
    elif demands:
        changes["guidance"] = "\n".join([dimension.guidance or "", *demands])[-_LONGEST_TEXT:].strip()
    how = "Tell the judge" if is_judged else "Let a judge decide instead of a program, and tell it"
    title = f"{how} of “{dimension.name}” what people said." if demands else f"Let a judge decide “{dimension.name}”."
    return dimension.model_copy(update=changes), title


def _blind_spot(grounds: Grounds) -> Iterator[Suggestion]:
    """Answers that people dislike, as a whole or in something that no dimension is about, and that every dimension passes."""
    keys = {dimension.key for dimension in grounds.dimensions}
    disliked: dict[str, list[Opinion]] = defaultdict(list)
    for opinion in grounds.opinions:
        if opinion.score < 0 and opinion.dimension not in keys:
            disliked[opinion.trace_id].append(opinion)
    passed = {
        trace_id
        for trace_id, found in _by_trace(grounds.found).items()
        if any(each.passed for each in found) and not any(each.passed is False for each in found)
    }
    unseen = sorted(disliked.keys() & passed)
    comments = _quotes(opinion.comment for trace_id in unseen for opinion in disliked[trace_id])
    key = "complaints"
    if len(unseen) < FEWEST_DISAGREEMENTS or not comments or key in keys:
        return
    added = Dimension(
        key=key,
        name="Complaints",
        description="Give no cause for what people complained about.",
        weight=1 / len(grounds.dimensions),
        evaluator=LlmJudge(
            criteria=tuple(
                Criterion(id=f"c{number}", text=f"{_COMPLAINT}: {comment}") for number, comment in enumerate(comments, 1)
            )
        ),
    )
    shown = [found for found in grounds.found if found.trace_id in unseen]
    yield Suggestion(
        id=_id(grounds, Kind.BLIND_SPOT, key),
        kind=Kind.BLIND_SPOT,
        title="Add a dimension for what people complain about.",
        reason=f"People dislike {len(unseen)} answers that every dimension passes.",
        evidence=_evidence(shown, comments, disliked=len(disliked), passed_by_every_dimension=len(unseen)),
        changes=(Change(action="add", key=key, dimension=added),),
    )


def _uncovered(grounds: Grounds) -> Iterator[Suggestion]:
    """Clusters whose failed criteria are all rules of the world model that no dimension repeats."""
    keys = {dimension.key for dimension in grounds.dimensions}
    kinds = {dimension.evaluator.kind for dimension in grounds.dimensions} & _OF_ONE_MEANING
    for cluster in grounds.clusters:
        rules = [
            rule
            for rule in cluster.rules
            if slug(rule.key) and slug(rule.key) not in keys and (rule.evaluator is None or rule.evaluator.kind not in kinds)
        ]
        if cluster.size < FEWEST_IN_CLUSTER or keys & set(cluster.criteria) or len(rules) < len(cluster.criteria) or not rules:
            continue
        rule = rules[0]
        criteria = tuple(Criterion(id=f"c{n}", text=each.text) for n, each in enumerate(rules[:20], 1))
        added = Dimension(
            key=slug(rule.key),
            name=rule.key.replace("-", " ").capitalize()[:120],
            description=rule.text[:_LONGEST_TEXT],
            weight=1 / len(grounds.dimensions),
            evaluator=rule.evaluator if rule.evaluator is not None and len(rules) == 1 else LlmJudge(criteria=criteria),
        )
        yield Suggestion(
            id=_id(grounds, Kind.UNCOVERED_CLUSTER, cluster.signature),
            kind=Kind.UNCOVERED_CLUSTER,
            title=f"Add a dimension for “{cluster.label}”.",
            reason=(
                f"The last scan found {cluster.size} failures of this kind ({cluster.share:.0%} of all); "
                "only the domain standard sees them, and no dimension asks for it."
            ),
            evidence=Evidence(
                figures={
                    "cluster": cluster.signature,
                    "size": cluster.size,
                    "share": cluster.share,
                    "severity": cluster.severity,
                    "criteria": list(cluster.criteria),
                },
                trace_ids=cluster.trace_ids[:MOST_EVIDENCE],
                comments=(),
                simulated=cluster.simulated,
            ),
            changes=(Change(action="add", key=added.key, dimension=added),),
        )


def _constants(grounds: Grounds) -> Iterator[Suggestion]:
    """Dimensions that tell no answer from another."""
    for dimension in grounds.dimensions:
        found = _of(grounds, dimension.key)
        scores = [each.score for each in found if each.score is not None]
        is_removable = len(grounds.dimensions) > 1 and dimension.key not in grounds.pinned
        if len(found) < FEWEST_SCORES or dimension.minimum is not None:
            continue
        if not scores:
            # A program that has nothing to compare with in traces may have it in samples; a reader has seen all there is.
            if is_removable and isinstance(dimension.evaluator, LlmJudge):
                reason = f"On all of {len(found)} traces “{dimension.name}” did not apply."
                yield _constant(
                    grounds, dimension, found, reason, None, Change(action="remove", key=dimension.key, dimension=None)
                )
            continue
        mean = statistics.fmean(scores)
        if len(scores) < FEWEST_SCORES or statistics.pstdev(scores) >= LEAST_SPREAD:
            continue
        reason = f"On {len(scores)} traces “{dimension.name}” always scores {mean:.2f}: it tells no answer from another."
        if mean >= TOP:
            guard = dimension.model_copy(update={"minimum": round(mean - 0.05, 2), "weight": dimension.weight / 10})
            change = Change(action="replace", key=dimension.key, dimension=guard)
            yield _constant(grounds, dimension, found, f"{reason} As a guard it still keeps what is good.", mean, change)
        elif mean > 1 - TOP and is_removable:
            yield _constant(grounds, dimension, found, reason, mean, Change(action="remove", key=dimension.key, dimension=None))


def _constant(
    grounds: Grounds, dimension: Dimension, found: Sequence[Found], reason: str, mean: float | None, change: Change
) -> Suggestion:
    becomes = change.dimension
    title = (
        f"Remove “{dimension.name}”."
        if becomes is None
        else f"Make “{dimension.name}” a guard: a minimum of {becomes.minimum:g} and a tenth of its weight."
    )
    return Suggestion(
        id=_id(grounds, Kind.CONSTANT, dimension),
        kind=Kind.CONSTANT,
        title=title,
        reason=reason,
        evidence=_evidence(found, (), traces=len(found), mean=None if mean is None else round(mean, 4)),
        changes=(change,),
    )


def _redundancies(grounds: Grounds) -> Iterator[Suggestion]:
    """Pairs of dimensions of which one is enough: the one that costs less to measure, or else counts for more, stays."""
    scores = {
        dimension.key: {each.trace_id: each.score for each in _of(grounds, dimension.key) if each.score is not None}
        for dimension in grounds.dimensions
    }
    gone: set[str] = set()
    for one, other in combinations(grounds.dimensions, 2):
        shared = sorted(scores[one.key].keys() & scores[other.key].keys())
        if gone & {one.key, other.key} or len(shared) < FEWEST_SCORES:
            continue
        pairs = [[scores[dimension.key][trace_id] for trace_id in shared] for dimension in (one, other)]
        if any(statistics.pstdev(values) < LEAST_SPREAD for values in pairs):
            continue
        correlation = statistics.correlation(pairs[0], pairs[1])
        kept, dropped = _which_stays(one, other)
        if {dropped.key} & grounds.pinned:
            kept, dropped = dropped, kept
        if correlation < REDUNDANT or dropped.key in grounds.pinned or dropped.minimum is not None:
            continue
        gone.add(dropped.key)
        heavier = kept.model_copy(update={"weight": kept.weight + dropped.weight})
        yield Suggestion(
            id=_id(grounds, Kind.REDUNDANT, one, other),
            kind=Kind.REDUNDANT,
            title=f"Remove “{dropped.name}” and give its weight to “{kept.name}”.",
            reason=(
                f"On {len(shared)} traces “{one.name}” and “{other.name}” rise and fall together "
                f"(correlation {correlation:.2f}): the same merit is counted twice."
            ),
            evidence=_evidence(
                [found for found in _of(grounds, dropped.key) if found.trace_id in set(shared)],
                (),
                traces=len(shared),
                correlation=round(correlation, 4),
            ),
            changes=(
                Change(action="replace", key=kept.key, dimension=heavier),
                Change(action="remove", key=dropped.key, dimension=None),
            ),
        )


def _which_stays(one: Dimension, other: Dimension) -> tuple[Dimension, Dimension]:
    def worth(dimension: Dimension) -> tuple[bool, bool, float]:
        return (dimension.minimum is not None, not isinstance(dimension.evaluator, LlmJudge), dimension.weight)

    return (one, other) if worth(one) >= worth(other) else (other, one)


def _id(grounds: Grounds, kind: Kind, *subject: str | Dimension) -> UUID:
    """The same for the same reason; a dimension that measures something else from now on is another reason."""
    names = [part if isinstance(part, str) else measurement(part) for part in subject]
    return uuid5(grounds.rubric_id, "\x1f".join((kind, *names)))


def measurement(dimension: Dimension) -> str:
    """What decides a dimension's scores, as a digest: not its weight or minimum."""
    return content_digest(dimension.model_dump_json(exclude={"weight", "minimum"}))


def _of(grounds: Grounds, key: str) -> list[Found]:
    return [found for found in grounds.found if found.dimension == key]


def _by_trace(found: Sequence[Found]) -> Mapping[str, list[Found]]:
    grouped: dict[str, list[Found]] = defaultdict(list)
    for each in found:
        grouped[each.trace_id].append(each)
    return grouped


def _verdicts(opinions: Sequence[Opinion]) -> dict[str, dict[str, float]]:
    """The mean opinion by dimension and trace; of several people the majority, in effect."""
    given: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for opinion in opinions:
        if opinion.dimension is not None:
            given[opinion.dimension][opinion.trace_id].append(opinion.score)
    return {key: {trace: statistics.fmean(scores) for trace, scores in traces.items()} for key, traces in given.items()}


def _comments(opinions: Sequence[Opinion], key: str, trace_ids: Collection[str]) -> tuple[str, ...]:
    return _quotes(opinion.comment for opinion in opinions if opinion.dimension == key and opinion.trace_id in trace_ids)


def _quotes(comments: Iterator[str | None]) -> tuple[str, ...]:
    lines = (" ".join(comment.split())[:_LONGEST_QUOTE] for comment in comments if comment)
    return tuple(dict.fromkeys(filter(None, lines)))[:_MOST_QUOTED]


def _evidence(found: Sequence[Found], comments: Sequence[str], **figures: JsonValue) -> Evidence:
    return Evidence(
        figures=figures,
        trace_ids=tuple(dict.fromkeys(each.trace_id for each in found))[:MOST_EVIDENCE],
        comments=tuple(comments),
        simulated=any(each.simulated for each in found),
    )
