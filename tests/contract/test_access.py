"""Who may call what: every route as nobody, without the scope, and from another tenant."""

from typing import Any

import httpx
import pytest

from spectral_api.problems import MEDIA_TYPE, TYPE_BASE
from spectral_platform.core.access import Scope
from tests.contract.conftest import WORKSPACE, Tenants
from tests.contract.documents import DOCUMENT, examples_of
from tests.contract.operations import OPERATIONS, PROTECTED, Operation

# May only shrink.
PUBLIC = {
    "GET /openapi.json",
    "GET /docs",
    "GET /redoc",
    "GET /api/health",
    "GET /api/v1/health",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
}

# Names of things that the tests must have been able to make; a path with another name is filled with an id of nothing.
MADE = {
    "agent_id",
    "changeset_id",
    "cluster_id",
    "key_id",
    "objective_id",
    "rubric_id",
    "sample_id",
    "sample_set_id",
    "scan_id",
    "trace_id",
}


def named(operations: list[Operation]) -> pytest.MarkDecorator:
    """Run a test once for each operation."""
    return pytest.mark.parametrize("operation", [pytest.param(each, id=each.name) for each in operations])


def example(operation: Operation) -> Any:
    """A body that the operation documents."""
    described = DOCUMENT["paths"].get(operation.path, {}).get(operation.method.lower(), {})
    return next(iter(examples_of(described)), None)


def required_query(operation: Operation) -> dict[str, Any]:
    """Values for the query parameters without which a request has no meaning."""
    described = DOCUMENT["paths"].get(operation.path, {}).get(operation.method.lower(), {})
    return {each["name"]: 1 for each in described.get("parameters", []) if each["in"] == "query" and each["required"]}


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
    problem_type: str = answer.json()["type"]
    return problem_type.removeprefix(TYPE_BASE)


def test_only_the_named_routes_are_public() -> None:
    assert {operation.name for operation in OPERATIONS if operation.scopes is None} == PUBLIC


def test_every_route_in_a_workspace_needs_a_scope() -> None:
    assert [each.name for each in PROTECTED if each.path.startswith(WORKSPACE) and not each.scopes] == []


def test_everything_that_paths_name_is_tested_with_something_that_exists(tenants: Tenants) -> None:
    named_in_paths = {name for each in PROTECTED for name in each.parameters if name.endswith("_id")} - {"workspace_id"}

    assert set(tenants.items) >= MADE
    assert named_in_paths == MADE


@named(PROTECTED)
async def test_nobody_is_refused(operation: Operation, tenants: Tenants) -> None:
    answer = await tenants.anybody.request(operation.method, tenants.path(operation.path))

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    if operation.answers_problems:
        assert slug(answer) == "unauthenticated"


@named([each for each in PROTECTED if each.answers_problems])
async def test_a_made_up_credential_is_refused(operation: Operation, tenants: Tenants) -> None:
    for credential in ("sk_live_nonsense", "eyJhbGciOiJub25lIn0.e30.", "nonsense"):
        answer = await tenants.anybody.request(
            operation.method, tenants.path(operation.path), headers=tenants.owner.bearing(credential)
        )
        assert answer.status_code == 401, credential
        assert slug(answer) == "unauthenticated"


@named([each for each in PROTECTED if each.scopes])
async def test_a_caller_without_the_scope_is_refused(operation: Operation, tenants: Tenants) -> None:
    refused = [credential for scopes, credential in tenants.lesser if scopes.isdisjoint(operation.scopes or [])]
    assert refused

    for credential in refused:
        headers = tenants.owner.bearing(credential) | {"X-Workspace-Id": str(tenants.owner.workspace_id)}
        answer = await tenants.anybody.request(operation.method, tenants.path(operation.path), headers=headers)
        assert answer.status_code == 403, answer.text
        if operation.answers_problems:
            assert slug(answer) == "missing-scope"
            assert answer.json()["required_scope"] in (operation.scopes or [])


@named([each for each in PROTECTED if each.path.startswith(WORKSPACE)])
async def test_a_workspace_of_another_tenant_looks_absent(operation: Operation, tenants: Tenants) -> None:
    path = tenants.path(operation.path)
    key = await tenants.stranger.key(Scope.READ_AGENTS, Scope.WRITE_TRACES, Scope.READ_WORKSPACE, Scope.WRITE_WORKSPACE)

    for headers in ({}, tenants.stranger.bearing(key)):
        answer = await tenants.stranger.client.request(operation.method, path, headers=headers)
        assert answer.status_code == 404
        assert slug(answer) == "not-found"


@named([each for each in PROTECTED if set(each.parameters) & MADE])
async def test_a_thing_of_another_tenant_looks_absent(operation: Operation, tenants: Tenants) -> None:
    path = tenants.path(operation.path, workspace=tenants.stranger)

    answer = await tenants.stranger.client.request(
        operation.method, path, params=required_query(operation), json=example(operation)
    )

    assert answer.status_code == 404, answer.text
    assert slug(answer) == "not-found"
