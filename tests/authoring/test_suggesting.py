"""What evidence becomes a suggestion, and what does not: the edges of each kind."""

from typing import Any
from uuid import UUID

import pytest

from spectral_platform.authoring.suggesting import suggest
from spectral_platform.authoring.suggestions import (
    BrokenRule,
    Change,
    ClusterSeen,
    Found,
    Grounds,
    Kind,
    Opinion,
    Suggestion,
    apply_changes,
)
from spectral_platform.evaluations.dimensions import Dimension

RUBRIC = UUID(int=1)


def dimension(key: str = "polite", kind: str = "llm_judge", **fields: Any) -> Dimension:
    evaluator = {"kind": kind} | ({"value": "x"} if kind == "contains" else {"value": 5} if kind.startswith("max_") else {})
    body = {"key": key, "name": key, "description": f"Be {key}.", "weight": 0.5, "evaluator": evaluator} | fields
    return Dimension.model_validate(body)


def scores(key: str, values: list[float | None]) -> tuple[Found, ...]:
    return tuple(
        Found(trace_id=f"{n:032x}", dimension=key, score=value, passed=None if value is None else value >= 1)
        for n, value in enumerate(values)
    )


def opinions(values: list[float], key: str | None = None, comment: str | None = None) -> tuple[Opinion, ...]:
    return tuple(Opinion(trace_id=f"{n:032x}", dimension=key, score=v, comment=comment) for n, v in enumerate(values))


def suggested(*dimensions: Dimension, **evidence: Any) -> tuple[Suggestion, ...]:
    known: dict[str, Any] = {"found": (), "opinions": (), "clusters": (), "pinned": frozenset()} | evidence
    return suggest(Grounds(rubric_id=RUBRIC, dimensions=dimensions, **known))


def only(suggestions: tuple[Suggestion, ...]) -> Suggestion:
    (suggestion,) = suggestions
    return suggestion


@pytest.mark.parametrize(
    ("values", "ratings", "is_suggested"),
    [
        ([1.0] * 5, [-1, -1, -1, 1, 1], True),
        ([1.0] * 4, [-1, -1, -1, 1], False),  # too few verdicts
        ([1.0] * 5, [-1, -1, 1, 1, 1], False),  # too few disagreements
        ([1.0] * 11, [-1] * 3 + [1] * 8, False),  # too small a share
        ([None] * 6, [-1] * 6, False),  # it did not apply
        ([1.0] * 6, [0] * 6, False),  # nobody took sides
        ([0.0] * 6, [-1] * 6, False),  # they agree
    ],
)
def test_people_disagree_with_a_dimension_in_number_and_in_share(
    values: list[float | None], ratings: list[float], is_suggested: bool
) -> None:
    found = suggested(dimension(), dimension("short"), found=scores("polite", values), opinions=opinions(ratings, "polite"))

    assert [each.kind for each in found] == [Kind.DISAGREEMENT] * is_suggested


@pytest.mark.parametrize(
    ("kind", "value", "rating", "comment", "expected"),
    [
        ("llm_judge", 1.0, -1, "Cold", ("llm_judge", "Gives no cause for this complaint: Cold", 0.5)),
        ("contains", 1.0, -1, "Cold", ("llm_judge", "Gives no cause for this complaint: Cold", 0.5)),
        ("contains", 0.0, 1, None, ("llm_judge", None, 0.5)),
        ("llm_judge", 1.0, -1, None, ("llm_judge", None, 0.25)),
        ("llm_judge", 0.0, 1, "Fine", ("llm_judge", None, 0.25)),
        ("max_tokens", 1.0, -1, "Too long", ("max_tokens", None, 0.25)),
    ],
)
def test_what_changes_follows_from_who_was_wrong_and_what_was_said(
    kind: str, value: float, rating: float, comment: str | None, expected: tuple[str, str | None, float]
) -> None:
    polite = dimension(kind=kind)

    suggestion = only(
        suggested(
            polite, dimension("short"), found=scores("polite", [value] * 6), opinions=opinions([rating] * 6, "polite", comment)
        )
    )

    changed = suggestion.changes[0].dimension
    assert changed is not None
    assert (changed.evaluator.kind, changed.guidance, changed.weight) == expected
    assert Dimension.model_validate(changed.model_dump(mode="json", by_alias=True)) == changed


def test_a_judge_with_criteria_of_its_own_gets_one_more_for_each_complaint_and_not_twice() -> None:
    criteria = [{"id": "c1", "text": "Greets."}, {"id": "people_1", "text": "Gives no cause for this complaint: Old"}]
    polite = dimension(evaluator={"kind": "llm_judge", "criteria": criteria})

    suggestion = only(suggested(polite, found=scores("polite", [1.0] * 6), opinions=opinions([-1] * 6, "polite", "Cold\n  one")))

    changed = suggestion.changes[0].dimension
    assert changed is not None
    said = changed.evaluator.model_dump()["criteria"]
    assert [each["text"] for each in said] == ["Greets.", "Gives no cause for this complaint: Cold one"]


@pytest.mark.parametrize(
    ("values", "fields", "expected"),
    [
        ([1.0] * 20, {}, ("replace", 0.95, 0.05)),
        ([0.5] * 20, {}, ("remove", None, None)),
        ([None] * 20, {}, ("remove", None, None)),
        ([1.0] * 19, {}, None),
        ([0.0] * 20, {}, None),  # that everything fails is news, not noise
        ([1.0] * 10 + [0.0] * 10, {}, None),
        ([1.0] * 20, {"minimum": 1}, None),
        ([1.0] * 19 + [None], {}, None),
    ],
)
def test_a_dimension_that_never_varies_becomes_a_guard_or_goes(
    values: list[float | None], fields: dict[str, Any], expected: tuple[str, float | None, float | None] | None
) -> None:
    found = suggested(dimension(**fields), dimension("short"), found=scores("polite", values))

    changes = [change for each in found for change in each.changes]
    told = [(c.action, c.dimension and c.dimension.minimum, c.dimension and c.dimension.weight) for c in changes]
    assert told == ([] if expected is None else [expected])


@pytest.mark.parametrize("pinned", [frozenset({"polite"}), frozenset()])
def test_the_last_dimension_and_one_that_an_objective_names_are_not_removed(pinned: frozenset[str]) -> None:
    others = [dimension("short")] if pinned else []

    assert suggested(dimension(), *others, found=scores("polite", [0.5] * 20), pinned=pinned) == ()


@pytest.mark.parametrize(
    ("other", "fields", "pinned", "dropped"),
    [
        ([n / 20 for n in range(20)], {}, frozenset(), "polite"),
        ([n / 20 for n in range(20)], {}, frozenset({"polite"}), "short"),
        ([n / 20 for n in range(20)], {}, frozenset({"polite", "short"}), None),
        ([n / 20 for n in range(20)], {"minimum": 0.1}, frozenset(), "short"),
        ([1 - n / 20 for n in range(20)], {}, frozenset(), None),
        ([n % 2 for n in range(20)], {}, frozenset(), None),
        ([n / 20 for n in range(19)], {}, frozenset(), None),
        ([0.5] * 20, {"minimum": 0.1}, frozenset(), None),
    ],
)
def test_of_two_that_rise_and_fall_together_the_dearer_one_goes(
    other: list[float | None], fields: dict[str, Any], pinned: frozenset[str], dropped: str | None
) -> None:
    rising: list[float | None] = [n / 20 for n in range(20)]
    found = (*scores("short", rising), *scores("polite", other))

    suggestions = suggested(dimension("short", "contains"), dimension("polite", **fields), found=found, pinned=pinned)

    removed = [change.key for each in suggestions for change in each.changes if change.action == "remove"]
    assert removed == ([] if dropped is None else [dropped])


def cluster(*criteria: str, size: int = 9, rules: tuple[str, ...] = (), evaluator: Any = None) -> ClusterSeen:
    return ClusterSeen(
        signature="s1",
        label="Invented references",
        description="References are invented.",
        size=size,
        share=0.4,
        severity=0.5,
        criteria=criteria,
        rules=tuple(BrokenRule(key=key, text=f"Mind {key}.", evaluator=evaluator) for key in rules),
        trace_ids=("a" * 32,),
        simulated=True,
    )


@pytest.mark.parametrize(
    ("seen", "is_suggested"),
    [
        (cluster("no-sources", rules=("no-sources",)), True),
        (cluster("polite", rules=()), False),
        (cluster("no-sources", "polite", rules=("no-sources",)), False),
        (cluster("no-sources", rules=("no-sources",), size=2), False),
        (cluster("says-polite", rules=()), False),  # a rule of another version, which nobody can read any more
        (cluster("po-lite", rules=("po-lite",)), True),
        (cluster(), False),
    ],
)
def test_a_cluster_is_uncovered_when_only_rules_see_it(seen: ClusterSeen, is_suggested: bool) -> None:
    found = suggested(dimension(), clusters=(seen,))

    assert [each.kind for each in found] == [Kind.UNCOVERED_CLUSTER] * is_suggested
    for each in found:
        assert each.changes[0].action == "add"
        assert each.evidence.figures["size"] == seen.size
        assert each.evidence.simulated


def test_an_uncovered_cluster_is_covered_by_what_it_suggests() -> None:
    seen = cluster("no-sources", rules=("no-sources",))
    before = (dimension(),)
    after = apply_changes(before, only(suggested(*before, clusters=(seen,))).changes)

    assert [each.key for each in after] == ["polite", "no_sources"]
    assert suggested(*after, clusters=(seen,)) == ()


def test_a_rule_that_a_program_checks_is_checked_by_the_same_program_unless_a_dimension_does_so() -> None:
    seen = cluster("keeps-numbers", rules=("keeps-numbers",), evaluator={"kind": "pii"})

    added = only(suggested(dimension(), clusters=(seen,))).changes[0].dimension

    assert added is not None
    assert added.evaluator.kind == "pii"
    assert suggested(dimension(kind="pii"), clusters=(seen,)) == ()


def test_a_program_that_had_nothing_to_compare_with_is_not_blamed() -> None:
    assert suggested(dimension(kind="groundedness"), dimension("short"), found=scores("polite", [None] * 20)) == ()


def test_a_complaint_that_no_dimension_heard_of_becomes_one_even_when_it_names_a_dimension_of_its_own() -> None:
    found = scores("polite", [1.0] * 3)

    unheard = suggested(dimension(), found=found, opinions=opinions([-1] * 3, "delivery", "No date"))
    seen = suggested(dimension(), found=scores("polite", [0.0] * 3), opinions=opinions([-1] * 3, None, "No date"))
    mute = suggested(dimension(), found=found, opinions=opinions([-1] * 3))

    assert [each.kind for each in unheard] == [Kind.BLIND_SPOT]
    assert (seen, mute) == ((), ())


def test_a_full_rubric_gets_no_further_dimension() -> None:
    many = [dimension(f"d{number}") for number in range(50)]
    evidence: dict[str, Any] = {"found": scores("d0", [1.0] * 3), "opinions": opinions([-1] * 3, comment="Too slow.")}

    assert suggested(*many, **evidence) == ()
    assert only(suggested(*many[:49], **evidence)).kind is Kind.BLIND_SPOT


def test_a_suggestion_keeps_its_id_while_the_dimension_measures_the_same() -> None:
    evidence = {"found": scores("polite", [0.5] * 20)}
    same = suggested(dimension(weight=0.1, minimum=None), dimension("short"), **evidence)
    other = suggested(dimension(guidance="Greet."), dimension("short"), **evidence)

    first = only(suggested(dimension(), dimension("short"), **evidence))

    assert only(same).id == first.id
    assert only(other).id != first.id


def test_changes_keep_the_order_and_put_new_dimensions_last() -> None:
    changes = (
        Change(action="remove", key="b", dimension=None),
        Change(action="add", key="d", dimension=dimension("d")),
        Change(action="replace", key="a", dimension=dimension("a", weight=2)),
        Change(action="remove", key="gone", dimension=None),
    )

    after = apply_changes((dimension("a"), dimension("b"), dimension("c")), changes)

    assert [(each.key, each.weight) for each in after] == [("a", 2), ("c", 0.5), ("d", 0.5)]
