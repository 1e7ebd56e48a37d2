"""Looking at answers by a rubric, and what was found by dimension."""

from typing import Any

from tests.fixtures.callers import Person


async def post(person: Person, rubric: dict[str, Any], action: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await person.client.post(f"{person.w}/evaluations/rubrics/{rubric['id']}/{action}", json=body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def of(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["key"]: finding for finding in result["dimensions"]}
