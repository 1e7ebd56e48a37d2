"""The shape of requests, on every route: documented examples are taken, anything else is named and refused."""

from typing import Any

import httpx
import pytest

from tests.contract.conftest import WORKSPACE, Tenants
from tests.contract.documents import DOCUMENT, Json, documented_operations, examples_of
from tests.contract.operations import OF_OTHER_PROTOCOLS, PROTECTED, Operation

JSON = "application/json"
SURPRISE = "surprising"


def described(operation: Operation) -> Json:
    found: Json = DOCUMENT["paths"].get(operation.path, {}).get(operation.method.lower(), {})
    return found


def takes_json_object(operation: Operation) -> bool:
    return operation.path not in OF_OTHER_PROTOCOLS and any(isinstance(each, dict) for each in examples_of(described(operation)))


def uuid_parameters(operation: Operation) -> list[str]:
    """The parameters of the path that are UUIDs, the workspace aside."""
    return [
        each["name"]
        for each in described(operation).get("parameters", [])
        if each["in"] == "path" and each["schema"].get("format") == "uuid" and each["name"] != "workspace_id"
    ]


def named(operations: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", [pytest.param(each, id=each.name) for each in operations])


def mistakes(answer: httpx.Response) -> list[list[Any]]:
    """Where the mistakes are of which a 422 speaks."""
    assert answer.status_code == 422, answer.text
    return [mistake["location"] for mistake in answer.json()["errors"]]


DOCUMENTED = [each for each in PROTECTED if each.is_documented and each.answers_problems]
IN_WORKSPACE = [each for each in DOCUMENTED if each.path.startswith(WORKSPACE)]


def test_some_routes_are_looked_at() -> None:
    assert len(list(documented_operations())) > 10
    assert [each for each in IN_WORKSPACE if takes_json_object(each)]
    assert [each for each in DOCUMENTED if uuid_parameters(each)]


@named([each for each in IN_WORKSPACE if takes_json_object(each)])
async def test_every_documented_example_has_the_right_shape(operation: Operation, tenants: Tenants) -> None:
    for example in examples_of(described(operation)):
        path = tenants.path(operation.path, workspace=tenants.stranger)
        answer = await tenants.stranger.client.request(operation.method, path, json=example)
        assert answer.status_code < 500
        assert answer.status_code != 422, answer.text


@named([each for each in DOCUMENTED if takes_json_object(each)])
async def test_an_unknown_field_is_named(operation: Operation, tenants: Tenants) -> None:
    body = examples_of(described(operation))[0] | {SURPRISE: 1}

    answer = await tenants.owner.client.request(operation.method, tenants.path(operation.path), json=body)

    assert SURPRISE in [location[-1] for location in mistakes(answer)]


@named([each for each in DOCUMENTED if takes_json_object(each)])
async def test_a_body_that_is_no_object_is_refused(operation: Operation, tenants: Tenants) -> None:
    path = tenants.path(operation.path)
    for content in (b"{", b"7", b'"text"', b"null", b"\xff"):
        headers = {"Content-Type": JSON}
        answer = await tenants.owner.client.request(operation.method, path, content=content, headers=headers)
        as_nobody = await tenants.anybody.request(operation.method, path, content=content, headers=headers)
        assert {location[0] for location in mistakes(answer)} == {"body"}, content
        assert as_nobody.status_code == 401, content


@named(DOCUMENTED)
async def test_an_unknown_query_parameter_is_named(operation: Operation, tenants: Tenants) -> None:
    path = tenants.path(operation.path)
    for parameter in (SURPRISE, "Limit"):
        answer = await tenants.owner.client.request(operation.method, path, params={parameter: 1})
        assert ["query", parameter] in mistakes(answer)


@named([each for each in DOCUMENTED if uuid_parameters(each)])
async def test_a_malformed_id_is_named(operation: Operation, tenants: Tenants) -> None:
    for name in uuid_parameters(operation):
        path = tenants.path(operation.path, chosen={name: "12"})
        answer = await tenants.owner.client.request(
            operation.method, path, json=next(iter(examples_of(described(operation))), None)
        )
        assert ["path", name] in mistakes(answer)


@named([each for each in DOCUMENTED if "limit" in {p["name"] for p in described(each).get("parameters", [])}])
async def test_every_collection_has_the_same_envelope_and_bounds(operation: Operation, tenants: Tenants) -> None:
    path = tenants.path(operation.path)
    headers = {"X-Workspace-Id": str(tenants.owner.workspace_id)}
    page = await tenants.owner.client.get(path, params={"limit": 1}, headers=headers)

    if page.status_code != 404:  # below a thing that could not be made
        assert page.status_code == 200, page.text
        assert page.json().keys() == {"results", "pagination"}
        assert page.json()["pagination"].items() >= {"limit": 1, "offset": 0}.items()
        assert len(page.json()["results"]) == min(1, page.json()["pagination"]["total"])
    for wrong in ({"limit": 0}, {"limit": 201}, {"offset": -1}):
        answer = await tenants.owner.client.get(path, params=wrong, headers=headers)
        assert [["query", next(iter(wrong))]] == mistakes(answer)
