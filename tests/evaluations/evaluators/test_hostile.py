"""Answers and parameters that were made to stop an evaluator."""

import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from spectral_platform.evaluations.evaluators.catalogue import CODE
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject

DEEP = "[" * 600 + "]" * 600
MOST_S = 10.0
"""Seconds of this process; each of these took minutes or grew with the square of the answer."""


def run(spec: dict[str, Any], output: str) -> Evaluation:
    return CODE.validate_python(spec).evaluate(Subject(input="A question?", output=output))


def forking(depth: int) -> dict[str, Any]:
    steps = {f"s{n}": {"allOf": [{"$ref": f"#/$defs/s{n - 1}"}] * 2} for n in range(1, depth)}
    return {"$defs": {"s0": {"type": "object"}, **steps}, "$ref": f"#/$defs/s{depth - 1}"}


@pytest.mark.parametrize(
    ("spec", "output", "passed"),
    [
        pytest.param(
            {"kind": "json_schema", "schema": {"uniqueItems": True}},
            json.dumps([{"a": n} for n in range(3_000)]),
            True,
            id="many items that must differ",
        ),
        pytest.param({"kind": "json_schema", "schema": forking(60)}, "{}", None, id="references that fork"),
        pytest.param({"kind": "pii"}, " ".join(f"user{n}@example.com" for n in range(30_000)), False, id="many addresses"),
        pytest.param(
            {
                "kind": "instruction",
                "instructions": [
                    {"id": "length_constraints:number_sentences", "num_sentences": 9, "relation": "less than"},
                ],
            },
            "It is so. " * 60_000,
            False,
            id="many sentences on one line",
        ),
    ],
)
def test_no_answer_keeps_a_program_busy(spec: dict[str, Any], output: str, passed: bool | None) -> None:
    began = time.process_time()
    found = run(spec, output)

    assert time.process_time() - began < MOST_S
    assert found.passed is passed


def test_a_pattern_that_takes_too_many_steps_at_each_character_is_refused() -> None:
    with pytest.raises(ValidationError, match="too long"):
        CODE.validate_python({"kind": "regex", "pattern": "[ab]*a" + "[ab]{1000}" * 100})


def test_what_a_path_leads_to_may_be_nested_deeper_than_json_is_written() -> None:
    found = run({"kind": "json_path", "path": "$", "equals": 1}, DEEP)

    assert found.feedback == 'The answer must be JSON with "1" at "$" instead of something that is nested very deeply.'


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/other", "other": {"type": 5}},
        {"$ref": "#/other", "other": {"type": "text"}},
        {"$ref": "#/other", "other": 5},
        {"$ref": "#/other", "other": {"$ref": "#/another"}, "another": {"pattern": "(?=x)"}},
        {"$id": "http://x.test/a", "$defs": {"b": {"$id": "c/", "$ref": "#/$defs/d"}, "d": {}}, "$ref": "#/$defs/b"},
    ],
    ids=str,
)
def test_what_a_schema_refers_to_is_a_schema_too(schema: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CODE.validate_python({"kind": "json_schema", "schema": schema})


@pytest.mark.parametrize("value", [{"pattern": "(?=x)"}, {"$ref": "http://elsewhere.test/"}], ids=str)
def test_a_value_in_a_schema_is_no_schema(value: object) -> None:
    assert run({"kind": "json_schema", "schema": {"enum": [value]}}, json.dumps(value)).passed


def test_a_long_chain_of_references_is_followed() -> None:
    steps = {f"s{n}": {"$ref": f"#/$defs/s{n - 1}"} for n in range(1, 2_000)}
    spec = {"kind": "json_schema", "schema": {"$defs": {"s0": {}, **steps}, "$ref": "#/$defs/s5"}}

    assert run(spec, "1").passed


@pytest.mark.parametrize(
    ("items", "passed"),
    [("[1, 1.0]", False), ("[1, true]", True), ("[[], {}]", True), ('[{"a": [1], "b": 2}, {"b": 2, "a": [1.0]}]', False)],
)
def test_items_are_equal_as_json_has_it(items: str, passed: bool) -> None:
    assert run({"kind": "json_schema", "schema": {"uniqueItems": True}}, items).passed is passed


def test_evidence_is_a_few_short_pieces() -> None:
    found = run({"kind": "pii", "kinds": [{"name": "codes", "pattern": "x+"}]}, " ".join(["x" * 5_000] * 100))

    assert found.evidence == ("x" * 1_000,) * 20


def test_a_text_is_cited_in_the_case_that_is_forbidden() -> None:
    spec = {"kind": "contains", "value": "ERROR", "mode": "none", "case_sensitive": True}

    assert run(spec, "an error, an ERROR").evidence == ("ERROR",)


@pytest.mark.parametrize(
    "spec",
    [{"kind": "max_tokens", "value": 10**30}, {"kind": "tool_calls", "expected": [], "max_calls": 10**30}],
    ids=lambda spec: spec["kind"],
)
def test_a_number_that_could_not_be_read_again_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CODE.validate_python(spec)
