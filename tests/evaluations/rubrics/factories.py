"""Rubrics for tests, made over HTTP."""

from typing import Any

from tests.fixtures.callers import Person


def dimension(
    key: str = "polite", *, weight: float = 1, evaluator: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """The JSON of a dimension."""
    return {
        "key": key,
        "name": key.title(),
        "description": f"Be {key}.",
        "weight": weight,
        "evaluator": evaluator or {"kind": "llm_judge"},
    } | fields


async def create_rubric(person: Person, *keys: str, **fields: Any) -> dict[str, Any]:
    """A new rubric with dimensions of these keys."""
    body = {"name": "Quality", "dimensions": [dimension(key) for key in keys or ("polite",)]} | fields
    answer = await person.client.post(f"{person.w}/evaluations/rubrics", json=body)
    assert answer.status_code == 201, answer.text
    rubric: dict[str, Any] = answer.json()
    return rubric
