"""Whatever is sent, the server answers with a success or a refusal, and never with an error of its own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.conftest import Tenants
from tests.contract.documents import DOCUMENT, examples_of
from tests.contract.operations import PROTECTED, Operation

JSON = {"Content-Type": "application/json"}
LAST_HOUR = "9999-12-31T23:59:59-14:00"
"""Of the year 10000 already, in UTC."""
ODD_VALUES: tuple[Any, ...] = (None, "", "a\0b", "\ud83d", "x" * 20_000, -1, 10**30, [None], {"": {}}, "{{", LAST_HOUR)


def body_of(operation: Operation) -> Any:
    described = DOCUMENT["paths"].get(operation.path, {}).get(operation.method.lower(), {})
    return next(iter(examples_of(described)), None)


def query_of(operation: Operation) -> list[str]:
    described = DOCUMENT["paths"].get(operation.path, {}).get(operation.method.lower(), {})
    return [each["name"] for each in described.get("parameters", []) if each["in"] == "query"]


def mutated(value: Any) -> Iterator[Any]:
    """The value with one part of it, at any depth, replaced by something odd."""
    if isinstance(value, dict):
        for key, part in value.items():
            for odd in (*ODD_VALUES, *mutated(part)):
                yield value | {key: odd}
    elif isinstance(value, list) and value:
        for odd in (*ODD_VALUES, *mutated(value[0])):
            yield [odd, *value[1:]]


@pytest.mark.parametrize(
    "operation",
    [pytest.param(each, id=each.name) for each in PROTECTED if body_of(each) is not None and each.answers_problems],
)
async def test_odd_bodies_are_refused_or_taken(operation: Operation, tenants: Tenants) -> None:
    path = tenants.path(operation.path)
    for body in mutated(body_of(operation)):
        content = json.dumps(body)  # which spells half a surrogate pair; the client's own encoder cannot
        answer = await tenants.owner.client.request(operation.method, path, content=content, headers=JSON)
        assert answer.status_code < 500, (body, answer.text)


@pytest.mark.parametrize("operation", [pytest.param(each, id=each.name) for each in PROTECTED if query_of(each)])
async def test_odd_query_parameters_are_refused_or_taken(operation: Operation, tenants: Tenants) -> None:
    path = tenants.path(operation.path)
    for name in query_of(operation):
        for odd in (
            "",
            "a\0b",
            "x" * 5_000,
            "-1",
            "1e400",
            "99999999999999999999999",
            "2026-13-45",
            "%",
            "NaN",
            "0000-01-01T00:00:00Z",
        ):
            answer = await tenants.owner.client.request(operation.method, path, params={name: odd})
            assert answer.status_code < 500, (name, odd, answer.text)
