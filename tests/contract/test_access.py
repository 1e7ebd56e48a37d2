"""Who may call what: every route as everybody, and with things of another tenant."""

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
    "GET /.well-known/jwks.json",
    "GET /api/health",
    "GET /api/v1/health",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/callback",
    "POST /api/v1/auth/refresh",
    "GET /api/v1/auth/oauth/{provider}",
    "POST /api/v1/auth/reset-password",
    "GET /api/v1/signed/feedback/{token}",
    "POST /api/v1/signed/feedback/{token}",
    "GET /api/v1/signed/artifacts/{token}",
}

# Names of things that the tests must have been able to make; a path with another name is filled with an id of nothing.
MADE = {
    "agent_id",
    "artifact_id",
    "changeset_id",
    "cluster_id",
    "delivery_id",
    "invite_id",
    "key_id",
    "label_request_id",
    "objective_id",
    "rubric_id",
    "sample_id",
    "sample_set_id",
    "scan_id",
    "schedule_id",
    "session_id",
    "step_id",
    "suggestion_id",
    "trace_id",
    "user_id",
    "webhook_id",
}


SLUGS = {
    401: {"unauthenticated", "token-revoked"},
    403: {"missing-scope", "account-suspended"},
    404: {"not-found"},
    422: {"validation-error"},
}


# What the contract says each of them may do in the owner's workspace; None where the workspace looks absent.
IN_WORKSPACE: dict[str, set[str] | None] = {
    "owner": {
        *[
            "read:workspace",
            "write:workspace",
            "approve:agents",
            "admin:workspace",
            "admin:account",
            "read:agents",
            "write:traces",
        ]
    },
    "admin": {"read:workspace", "write:workspace", "approve:agents", "admin:workspace", "read:agents"},
    "contributor": {"read:workspace", "write:workspace", "read:agents"},
    "observer": {"read:workspace"},
    "no member": None,
    "operations": set(Scope),
    "default key": {"read:agents", "write:traces"},
    "reading key": {"read:workspace"},
    "full key": {"read:agents", "write:traces", "read:workspace", "write:workspace"},
    "stranger": None,
    "stranger's key": None,
}
# Where no workspace is named: what each may do in their own account.
IN_ACCOUNT: dict[str, set[str]] = {
    "owner": {"admin:account"},
    "operations": {"admin:account", "read:operations", "write:operations", "admin:operations", "delete:operations"},
    "stranger": {"admin:account"},
    "default key": {"read:agents", "write:traces"},
    "reading key": {"read:workspace"},
    "full key": {"read:agents", "write:traces", "read:workspace", "write:workspace"},
    "stranger's key": {"read:agents", "write:traces", "read:workspace", "write:workspace"},
}
SHUT_OUT = {"nobody": 401, "revoked": 401, "suspended": 403, "suspended key": 403}

SETTINGS = {"keys", "members", "autonomy", "retention", "masking", "prices", "webhooks", "restore"}
"""Parts of a workspace that only its admins change."""
BY_HEADER = {
    "/otel/v1/traces",
    "/otel/v1/traces/stats",
    "/v1/traces",
    "/ofrep/v1/evaluate/flags",
    "/ofrep/v1/evaluate/flags/{key}",
    "/simulator/v1/chat/completions",
    "/simulator/v1/models",
}
"""Paths that leave it to the header, or to the key, to name the workspace."""
# Routes whose section of the contract says otherwise than its general rule. May only shrink.
EXCEPTIONS: dict[str, set[str]] = {
    "GET /api/v1/account": set(),
    "GET /api/v1/account/members": set(),
    f"GET {WORKSPACE}/keys": {"admin:workspace"},
    f"POST {WORKSPACE}/traces": {"write:traces", "write:workspace"},
    "POST /otel/v1/traces": {"write:traces", "write:workspace"},
    "POST /v1/traces": {"write:traces", "write:workspace"},
    "GET /otel/v1/traces/stats": {"write:traces", "read:workspace"},
    f"POST {WORKSPACE}/agents/{{agent_id}}/config/versions/{{version}}/promote": {"approve:agents"},
    f"POST {WORKSPACE}/agents/{{agent_id}}/render": {"read:agents", "read:workspace"},  # shows, and changes nothing
    f"POST {WORKSPACE}/evaluations/rubrics/{{rubric_id}}/explain": {"read:workspace"},  # likewise
    f"POST {WORKSPACE}/changesets/{{changeset_id}}/accept": {"approve:agents"},
    f"POST {WORKSPACE}/changesets/{{changeset_id}}/withdraw": {"approve:agents"},
    f"POST {WORKSPACE}/changesets/{{changeset_id}}/watch/stop": {"approve:agents"},
    f"POST {WORKSPACE}/changesets/{{changeset_id}}/reject": {"approve:agents"},
    f"POST {WORKSPACE}/changesets/{{changeset_id}}/apply": {"approve:agents"},
    f"POST {WORKSPACE}/changesets/{{changeset_id}}/rollback": {"approve:agents"},
    "POST /ofrep/v1/evaluate/flags": {"read:agents", "read:workspace"},  # shows, and changes nothing
    "POST /ofrep/v1/evaluate/flags/{key}": {"read:agents", "read:workspace"},
    "GET /simulator/v1/models": {"read:agents", "read:workspace"},
    "POST /simulator/v1/chat/completions": {"read:agents", "read:workspace"},  # answers, and changes nothing
}


def contracted(operation: Operation) -> set[str]:
    """The scopes of which the contract asks for one; empty where any credential will do."""
    if operation.name in EXCEPTIONS:
        return EXCEPTIONS[operation.name]
    reads = operation.method == "GET"
    if operation.path.startswith(WORKSPACE):
        part = operation.path.removeprefix(WORKSPACE).strip("/").split("/")[0]
        if part == "agents" and reads:
            return {"read:agents", "read:workspace"}
        if part in {"", *SETTINGS} and not reads:
            return {"admin:workspace"}
        return {"read:workspace" if reads else "write:workspace"}
    if operation.path.startswith("/api/v1/account"):
        return {"admin:account"}
    if operation.path.startswith("/api/v1/auth") or operation.name == "GET /api/v1/workspaces":
        return set()
    return {"admin:account"}


def refusal(operation: Operation, who: str) -> int:
    """What the contract has for somebody who calls the operation with an unknown parameter, which nobody may send."""
    if who in SHUT_OUT:
        return SHUT_OUT[who]
    needed = contracted(operation)
    if operation.path.startswith(WORKSPACE) or operation.path in BY_HEADER:
        held = IN_WORKSPACE[who]
        if held is None:
            return 404
    else:
        held = IN_ACCOUNT.get(who, set())
    if needed and not held & needed:
        return 403
    return 422 if operation.answers_problems else 400


def test_only_the_named_routes_are_public() -> None:
    assert {operation.name for operation in OPERATIONS if operation.scopes is None} == PUBLIC


def test_every_route_in_a_workspace_needs_a_scope() -> None:
    assert [each.name for each in PROTECTED if each.path.startswith(WORKSPACE) and not each.scopes] == []


def test_every_exception_is_a_route() -> None:
    assert set(EXCEPTIONS) <= {operation.name for operation in PROTECTED}


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


def test_everything_that_paths_name_is_tested_with_something_that_exists(tenants: Tenants) -> None:
    named_in_paths = {name for each in PROTECTED for name in each.parameters if name.endswith("_id")} - {"workspace_id"}

    assert set(tenants.items) >= MADE
    assert named_in_paths == MADE


@named(PROTECTED)
async def test_everybody_gets_what_the_contract_says(operation: Operation, tenants: Tenants) -> None:
    path, expected, told = tenants.path(operation.path), {}, {}
    for who in ("nobody", *tenants.credentials):
        headers = {"X-Workspace-Id": str(tenants.owner.workspace_id)}
        if who != "nobody":
            headers |= tenants.owner.bearing(tenants.credentials[who])
        answer = await tenants.anybody.request(operation.method, path, headers=headers, params={"surprising": "1"})
        expected[who], told[who] = refusal(operation, who), answer.status_code
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
        if operation.answers_problems:
            assert slug(answer) in SLUGS[answer.status_code], answer.text
            if slug(answer) == "missing-scope":
                assert answer.json()["required_scope"] in contracted(operation)

    assert told == expected


@named(PROTECTED)
async def test_a_made_up_credential_is_refused(operation: Operation, tenants: Tenants) -> None:
    for credential in ("sk_live_nonsense", "eyJhbGciOiJub25lIn0.e30.", "nonsense"):
        answer = await tenants.anybody.request(
            operation.method, tenants.path(operation.path), headers=tenants.owner.bearing(credential)
        )
        assert answer.status_code == 401, credential
        if operation.answers_problems:
            assert slug(answer) == "unauthenticated"


@named([each for each in PROTECTED if set(each.parameters) & MADE])
async def test_a_thing_of_another_tenant_looks_absent(operation: Operation, tenants: Tenants) -> None:
    path = tenants.path(operation.path, workspace=tenants.stranger)

    answer = await tenants.stranger.client.request(
        operation.method, path, params=required_query(operation), json=example(operation)
    )

    assert answer.status_code == 404, answer.text
    assert slug(answer) == "not-found"
