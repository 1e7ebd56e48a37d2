"""The reference of evaluators: every example finds what it says, and nothing is left out."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from spectral_platform.evaluations.evaluators.catalogue import CODE, CodeEvaluator, EvaluatorSpec
from spectral_platform.evaluations.evaluators.instruction import AnyCheck
from spectral_platform.evaluations.evaluators.subjects import Subject

PAGE = (Path(__file__).parents[2] / "docs" / "evaluators.md").read_text()
EXAMPLES: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
SUBJECT = TypeAdapter(Subject)
SECTIONS: dict[str, str] = dict(re.findall(r"^##+ `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["evaluator"]["kind"])
def test_an_example_finds_what_the_page_says(example: dict[str, Any]) -> None:
    spec = CODE.validate_python(example["evaluator"])

    found = spec.evaluate(SUBJECT.validate_python({"input": "?", "output": example["answer"], **example.get("given", {})}))

    told = example["finds"]
    shown = json.loads(json.dumps(asdict(found)))
    assert shown["score"] == pytest.approx(told["score"], abs=1e-4)
    assert {name: shown[name] for name in told if name != "score"} == {name: told[name] for name in told if name != "score"}
    assert told["passed"] or told.keys() & {"feedback", "evidence"}


def test_every_kind_has_a_section_with_all_its_parameters_and_every_program_an_example() -> None:
    kinds = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(EvaluatorSpec)[0])}

    assert SECTIONS.keys() == kinds.keys()
    assert {each["evaluator"]["kind"] for each in EXAMPLES} == {
        kind.model_fields["kind"].default for kind in get_args(CodeEvaluator)
    }
    for name, kind in kinds.items():
        parameters = {field.alias or key for key, field in kind.model_fields.items()} - {"kind"}
        assert {parameter for parameter in parameters if f"`{parameter}`" not in SECTIONS[name]} == set(), name


def test_every_instruction_is_listed_with_its_arguments() -> None:
    rows = {row.split("`")[1]: row for row in SECTIONS["instruction"].splitlines() if re.match(r"\| `\w+:", row)}
    checks = {get_args(check.model_fields["id"].annotation)[0]: check for check in get_args(get_args(AnyCheck)[0])}

    assert rows.keys() == checks.keys()
    for name, check in checks.items():
        arguments = {key if field.is_required() else f"{key}?" for key, field in check.model_fields.items()} - {"id"}
        assert {argument for argument in arguments if f"`{argument}`" not in rows[name]} == set(), name
