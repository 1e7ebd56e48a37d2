"""Every kind of evaluator against its table, and the tables against the kinds."""

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from spectral_platform.evaluations.evaluators.catalogue import CODE, CodeEvaluator
from spectral_platform.evaluations.evaluators.instruction import AnyCheck
from spectral_platform.evaluations.evaluators.subjects import Subject
from tests.evaluations.evaluators.tables import Row, documents, instructions, limits, texts

TABLES = {**texts.TABLES, **documents.TABLES, **limits.TABLES, **instructions.TABLES}
SUBJECT = TypeAdapter(Subject)
FULL_SCORE_IS_NOT_NEEDED = {"rouge_l", "semantic_similarity", "groundedness"}


def test_every_kind_has_a_table_of_twenty_cases_or_more() -> None:
    kinds = {evaluator.model_fields["kind"].default for evaluator in get_args(CodeEvaluator)}

    assert kinds == TABLES.keys()
    assert {kind: len(table) for kind, table in TABLES.items() if len(table) < 20} == {}


def test_every_instruction_is_followed_by_some_answer_and_broken_by_another() -> None:
    known = {
        instruction for check in get_args(get_args(AnyCheck)[0]) for instruction in get_args(check.model_fields["id"].annotation)
    }
    shown: dict[str, set[Any]] = {}
    for row in TABLES["instruction"]:
        (first, *_) = row.parameters["instructions"]
        shown.setdefault(first["id"], set()).add(row.finding)

    assert len(known) == 28
    assert {instruction for instruction, findings in shown.items() if {"pass", "fail"} <= findings} == known


@pytest.mark.parametrize(
    ("kind", "row"), [pytest.param(kind, row, id=f"{kind}-{row}") for kind, table in TABLES.items() for row in table]
)
def test_an_answer_is_found_to_be_what_it_is(kind: str, row: Row) -> None:
    spec = CODE.validate_python({"kind": kind, **row.parameters})
    assert CODE.validate_json(CODE.dump_json(spec)) == spec

    found = spec.evaluate(SUBJECT.validate_python({"input": "A question?", "output": row.output, **row.known}))

    assert found.evaluator.split("+")[0] == f"{kind}@1"
    match row.finding:
        case "na":
            assert (found.score, found.passed) == (None, None)
            assert found.feedback
        case "pass":
            assert found.passed
            assert kind in FULL_SCORE_IS_NOT_NEEDED or found.score == 1
        case "fail":
            assert found.passed is False
            assert found.score == pytest.approx(0, abs=1e-6)
        case share:
            assert found.passed is False
            assert found.score == pytest.approx(share)
    if found.passed is False:
        assert found.feedback.startswith("The answer must ")
        assert found.feedback.endswith(".")
        assert len(found.feedback) < 2_000
    if row.evidence is not None:
        assert found.evidence == row.evidence
    said = row.output if kind != "tool_calls" else "\n".join(call.written() for call in subject_calls(row))
    assert all(piece in said for piece in found.evidence)


def subject_calls(row: Row) -> tuple[Any, ...]:
    return SUBJECT.validate_python({"input": "", "output": "", **row.known}).tool_calls or ()
