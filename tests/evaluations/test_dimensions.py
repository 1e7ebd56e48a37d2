import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from spectral_platform.evaluations.dimensions import Dimension, Dimensions, normalize_weights
from spectral_platform.evaluations.terms import Constraint, ObjectiveTerm, ObjectiveTerms

RUBRIC: TypeAdapter[tuple[Dimension, ...]] = TypeAdapter(Dimensions)
TERMS: TypeAdapter[tuple[ObjectiveTerm, ...]] = TypeAdapter(ObjectiveTerms)


def dimension(**changes: Any) -> dict[str, Any]:
    fields = {"key": "tone", "name": "Tone", "description": "Is friendly.", "weight": 1, "evaluator": {"kind": "llm_judge"}}
    return fields | changes


@given(st.lists(st.floats(5e-324, 1e6), min_size=1, max_size=20))
def test_weights_are_normalised_to_one_and_can_be_stored(weights: list[float]) -> None:
    rubric = RUBRIC.validate_python([dimension(key=f"d{n}", weight=weight) for n, weight in enumerate(weights)])
    normalized = normalize_weights(rubric)
    assert sum(part.weight for part in normalized) == pytest.approx(1)
    assert RUBRIC.validate_json(RUBRIC.dump_json(normalized)) == normalized
    assert all(part.weight >= sys.float_info.min for part in normalized)


def test_normalising_keeps_the_proportions() -> None:
    rubric = normalize_weights(RUBRIC.validate_python([dimension(key="a", weight=1), dimension(key="b", weight=3)]))
    assert [part.weight for part in rubric] == [0.25, 0.75]


@pytest.mark.parametrize(
    "changes",
    [
        {"weight": 0},
        {"weight": -1},
        {"weight": float("nan")},
        {"weight": float("inf")},
        {"key": "Tone"},
        {"key": ""},
        {"description": ""},
        {"minimum": 1.1},
        {"evaluator": {"kind": "nonsense"}},
        {"evaluator": {}},
    ],
)
def test_senseless_dimensions_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Dimension.model_validate(dimension(**changes))


def test_a_rubric_has_dimensions_with_keys_of_their_own() -> None:
    with pytest.raises(ValidationError, match="more than once: tone"):
        RUBRIC.validate_python([dimension(), dimension(name="Other")])
    with pytest.raises(ValidationError):
        RUBRIC.validate_python([])


@pytest.mark.parametrize("metric", ["quality", "dimension:tone", "cost_usd", "latency_ms", "total_tokens"])
def test_metrics_by_name(metric: str) -> None:
    term = ObjectiveTerm.model_validate({"metric": metric, "direction": "minimize", "weight": 2})
    assert TERMS.validate_python([term]) == (term,)
    with pytest.raises(ValidationError, match="one term"):
        TERMS.validate_python([term, term])


@pytest.mark.parametrize("metric", ["beauty", "dimension:", "dimension:Tone", "quality\n", ""])
def test_other_metrics_are_refused(metric: str) -> None:
    with pytest.raises(ValidationError):
        ObjectiveTerm.model_validate({"metric": metric, "direction": "maximize", "weight": 1})


def test_constraints_include_their_limit() -> None:
    at_most = Constraint(metric="cost_usd", operator="<=", value=2)
    at_least = Constraint(metric="quality", operator=">=", value=0.5)
    assert (at_most.holds(2), at_most.holds(2.1)) == (True, False)
    assert (at_least.holds(0.5), at_least.holds(0.4)) == (True, False)
