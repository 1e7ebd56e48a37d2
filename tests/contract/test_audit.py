"""The audit log as a promise of every route: what changes something leaves exactly one entry, or is rolled back."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from spectral_api.dependencies import MUTATING, UNRECORDED, Database
from spectral_api.routing import Router
from spectral_platform.audit.accountability import BOOKKEEPING
from spectral_platform.audit.commands import record
from spectral_platform.changesets.clusters.findings import FailureFinding
from spectral_platform.changesets.states import Outcome
from spectral_platform.core import database
from spectral_platform.core.access import system_caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.lifecycle import move
from spectral_platform.webhooks.models import WebhookDelivery
from spectral_platform.webhooks.states import DeliveryStatus
from tests.changesets.factories import finding, make_changeset, watched
from tests.contract.conftest import Tenants, label_requests, logged_in, proposals, samples, suggestions, things
from tests.contract.operations import OPERATIONS, Operation
from tests.contract.test_access import example, named, required_query
from tests.fixtures.callers import PASSWORD, Person, register

Chosen = dict[str, str]
Preparation = Callable[[Person, Chosen], Awaitable[Chosen]]

# May only shrink.
NEED_NO_ENTRY = {
    "answer_feedback_link",
    "quote_scan",
    "create_feedback",
    "create_traces",
    "export_traces",
    "refresh",
    "reset_password",
}
# May only shrink.
NEED_NO_ENTRY_OF_THEIR_OWN = {"failed_attempts", "kept_answers", "oauth_logins"}
CHANGE_NOTHING = {
    "infer_template": "shows what prompts were made from; saving it is asked for in the query",
    "preview_objective": "tells what an objective says of figures",
    "render_agent": "shows what a prompt becomes",
    "explain_rubric": "shows what ran and what did not",
    "evaluate_flag": "shows a config",
    "evaluate_flags": "shows all configs",
    "create_chat_completion": "plays a model",
}
# Routes that the tests cannot carry out, with the reason. May only shrink.
NOT_PERFORMED: dict[str, str] = {
    "finish_oauth_login": "It takes a person at an identity provider; the room's own tests have both, and count the entries.",
}


async def send(person: Person, method: str, path: str, json: Any = None) -> Any:
    """Do something that comes first."""
    answer = await person.client.request(method, f"{person.w}{path}", json=json)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def with_free_rubric(person: Person, made: Chosen) -> Chosen:
    await send(person, "DELETE", f"/evaluations/objectives/{made['objective_id']}")
    return {}


async def with_inferred_agent(person: Person, made: Chosen) -> Chosen:
    await send(person, "POST", "/traces", {"traces": [{"agent": "Inferred", "input": "Hello", "output": "Hello"}]})
    agents = (await send(person, "GET", "/agents"))["results"]
    return {"agent_id": next(agent["id"] for agent in agents if agent["status"] == "pending")}


async def with_config_in_production(person: Person, made: Chosen) -> Chosen:
    return {"key": (await send(person, "GET", f"/agents/{made['agent_id']}"))["name"]}


async def with_two_names(person: Person, made: Chosen) -> Chosen:
    names = {"agent_id": "One name", "into": "Another name"}
    return {field: (await send(person, "POST", "/agents", {"name": name}))["id"] for field, name in names.items()}


async def with_second_version(person: Person, made: Chosen) -> Chosen:
    config = {"template": {"base_prompt": "Be brief."}, "hyperparameters": {"model": "sim/standard"}}
    version = await send(person, "POST", f"/agents/{made['agent_id']}/config/versions", {"config": config})
    return {"version": str(version["version"])}


async def with_cancelled_scan(person: Person, made: Chosen) -> Chosen:
    await send(person, "POST", f"/scans/{made['scan_id']}/cancel")
    return {}


async def with_accepted_changeset(person: Person, made: Chosen) -> Chosen:
    await send(person, "POST", f"/changesets/{made['changeset_id']}/accept")
    return {}


async def with_approval(person: Person, made: Chosen) -> Chosen:
    await send(person, "PUT", "/autonomy", {"required_approvals": 2})
    return await with_accepted_changeset(person, made)


async def with_watch(person: Person, made: Chosen) -> Chosen:
    holder: database.Database = person.client._transport.app.state.database  # type: ignore[attr-defined]  # the tests' own transport
    await watched(holder, person, UUID(made["changeset_id"]))
    return {}


async def with_two_clusters(person: Person, made: Chosen) -> Chosen:
    """One that another can be merged into, and of two kinds of failures, so that it can be split too."""
    holder: database.Database = person.client._transport.app.state.database  # type: ignore[attr-defined]  # the tests' own transport
    failures = tuple(
        FailureFinding(key=criterion, likeness=criterion, case_key=criterion, criterion=criterion, feedback="No.", severity=1)
        for criterion in ("tool_arguments", "tone")
    )
    await make_changeset(holder, person, outcome=Outcome.VALIDATED_NO_CHANGE, clusters=(finding("c2", failures=failures),))
    clusters = (await send(person, "GET", "/changesets/clusters"))["results"]
    other = next(cluster["cluster_id"] for cluster in clusters if cluster["signature"] == "c2")
    return {"into": other}


async def with_two_kinds_of_failures(person: Person, made: Chosen) -> Chosen:
    return {"cluster_id": (await with_two_clusters(person, made))["into"]}


async def with_delivered_message(person: Person, made: Chosen) -> Chosen:
    delivery = await send(person, "POST", f"/webhooks/{made['webhook_id']}/test")
    holder: database.Database = person.client._transport.app.state.database  # type: ignore[attr-defined]  # the tests' own transport
    async with holder.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        await move(session, await session.get_one(WebhookDelivery, UUID(delivery["id"])), DeliveryStatus.DELIVERED)
    return {"delivery_id": delivery["id"]}


async def with_another_owner(person: Person, made: Chosen) -> Chosen:
    body = {"email": f"{uuid4().hex}@example.com", "account_role": "owner"}
    invite = (await person.client.post("/api/v1/account/invites", json=body)).json()
    newcomer = {"email": body["email"], "password": PASSWORD, "invite_token": invite["token"]}
    answer = await person.client.post("/api/v1/auth/register", json=newcomer)
    assert answer.status_code == 201, answer.text
    return {"user_id": answer.json()["user_id"]}


async def with_invite(person: Person, made: Chosen) -> Chosen:
    answer = await person.client.post("/api/v1/account/invites", json={"email": f"{uuid4().hex}@example.com"})
    return {"invite_id": answer.json()["id"]}


async def with_workspace_member(person: Person, made: Chosen) -> Chosen:
    await send(person, "POST", "/members", {"user_id": str(person.user_id), "role": "observer"})
    return {"user_id": str(person.user_id)}


async def with_known_session(person: Person, made: Chosen) -> Chosen:
    return {"session_id": await logged_in(person)}


async def with_workspace_deleted(person: Person, made: Chosen) -> Chosen:
    answer = await person.client.delete(person.w)
    assert answer.status_code == 204, answer.text
    return {}


async def with_feedback_link(person: Person, made: Chosen) -> Chosen:
    link = await send(person, "POST", f"/traces/{made['trace_id']}/feedback-link", {})
    return {"token": link["url"].rsplit("/", 1)[1]}


PREPARED: dict[str, Preparation] = {
    "answer_feedback_link": with_feedback_link,
    "restore_workspace": with_workspace_deleted,
    "delete_profile": with_another_owner,
    "update_member": with_another_owner,
    "remove_member": with_another_owner,
    "revoke_invite": with_invite,
    "resend_invite": with_invite,
    "update_workspace_member": with_workspace_member,
    "remove_workspace_member": with_workspace_member,
    "end_session": with_known_session,
    "delete_rubric": with_free_rubric,
    "confirm_agent": with_inferred_agent,
    "evaluate_flag": with_config_in_production,
    "merge_agent": with_two_names,
    "merge_cluster": with_two_clusters,
    "split_cluster": with_two_kinds_of_failures,
    "promote_config_version": with_second_version,
    "retry_scan": with_cancelled_scan,
    "trigger_schedule": with_cancelled_scan,
    "replay_delivery": with_delivered_message,
    "apply_changeset": with_accepted_changeset,
    "rollback_changeset": with_accepted_changeset,
    "withdraw_approval": with_approval,
    "stop_watch": with_watch,
}
"""What must have happened before an operation can succeed; returns parts of its path."""

NEEDED = {
    "create_scan": {"scan_id"},
    "create_schedule": {"schedule_id"},
    "curate_samples": {"trace_id"},
    "delete_rubric": {"objective_id"},
    "evaluate_flag": {"agent_id"},
    "label_pair": {"scan_id"},
    "replay_delivery": {"webhook_id"},
    "update_sample": {"sample_set_id"},
    "delete_sample": {"sample_set_id"},
}
"""Things that an operation is about though neither its path nor its body names them."""

BODIES: dict[str, Callable[[Person], Any]] = {
    "register": lambda person: {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "tenant_name": "Another"},
    "login": lambda person: {"email": person.email, "password": PASSWORD},
    "create_invite": lambda person: {"email": f"{uuid4().hex}@example.com"},
    "add_workspace_member": lambda person: {"user_id": str(person.user_id), "role": "observer"},
    "change_password": lambda person: {"current_password": PASSWORD, "new_password": f"{PASSWORD} staple"},
}
"""Bodies of operations whose documented example speaks of somebody else."""

MUTATIONS = [each for each in OPERATIONS if each.method in MUTATING and each.is_documented]


def endpoint(operation: Operation) -> str:
    assert operation.dependant is not None
    return getattr(operation.dependant.call, "__name__", "")


@pytest.fixture
def superuser(shared_database_url: str) -> Iterator[psycopg.Connection]:
    """The database of the contract tests, past all policies."""
    with psycopg.connect(database.connection_string(shared_database_url), autocommit=True) as connection:
        yield connection


def entries(superuser: psycopg.Connection) -> int:
    """How many entries all audit logs have together."""
    counted = superuser.execute("SELECT count(*) FROM audit_entries").fetchone()
    assert counted is not None
    return int(counted[0])


def test_what_needs_no_entry_is_a_list_that_may_only_shrink() -> None:
    assert set(UNRECORDED) == NEED_NO_ENTRY
    assert set(BOOKKEEPING) == NEED_NO_ENTRY_OF_THEIR_OWN
    assert all({**UNRECORDED, **BOOKKEEPING}.values())
    assert {*NEED_NO_ENTRY, *CHANGE_NOTHING, *NOT_PERFORMED} <= {endpoint(each) for each in MUTATIONS}


@named([each for each in MUTATIONS if endpoint(each) not in NEED_NO_ENTRY | NOT_PERFORMED.keys()])
async def test_a_successful_change_leaves_exactly_one_entry(
    operation: Operation, tenants: Tenants, shared_database: database.Database, superuser: psycopg.Connection
) -> None:
    person = await register(tenants.anybody)
    person.client.headers["X-Workspace-Id"] = str(person.workspace_id)
    body = BODIES[endpoint(operation)](person) if endpoint(operation) in BODIES else example(operation)
    named = body if isinstance(body, dict) else ()
    needed = {*operation.parameters, *named, *NEEDED.get(endpoint(operation), ())}
    made = await things(person, needed=needed, without=operation.path)
    if "sample_set_id" in made:
        made |= await samples(person, made["sample_set_id"])
    if {"changeset_id", "cluster_id"} & set(operation.parameters):
        made |= await proposals(person, shared_database)
    if "suggestion_id" in operation.parameters:
        made |= await suggestions(person, shared_database, made["rubric_id"])
    if "label_request_id" in operation.parameters:
        made |= await label_requests(person, shared_database, made)
    if endpoint(operation) in PREPARED:
        made |= await PREPARED[endpoint(operation)](person, made)
    if isinstance(body, dict):
        body |= {name: made[name] for name in body if name in made}
    path = Tenants(tenants.anybody, person, person, made, {}).path(operation.path)
    before = entries(superuser)

    answer = await person.client.request(operation.method, path, params=required_query(operation), json=body)

    assert answer.is_success, answer.text
    assert entries(superuser) - before == (0 if endpoint(operation) in CHANGE_NOTHING else 1)


async def test_a_failed_login_leaves_no_entry(tenants: Tenants, superuser: psycopg.Connection) -> None:
    before = entries(superuser)

    for body in ({"email": tenants.owner.email, "password": "wrong"}, {"email": "nobody@example.com", "password": "wrong"}):
        assert (await tenants.anybody.post("/api/v1/auth/login", json=body)).status_code == 401

    assert entries(superuser) == before


RENAME = text("UPDATE accounts SET name = :name")


@pytest.fixture
def careless(app: FastAPI) -> FastAPI:
    """An application with endpoints that forget the audit log, or tell it too much."""
    router = Router()

    async def forget(database: Database, account: UUID, name: str) -> None:
        await bind_tenant(database, account_id=account)
        await database.execute(RENAME, {"name": name})

    async def look(database: Database, account: UUID, name: str) -> None:
        await bind_tenant(database, account_id=account)
        await database.execute(text("SELECT 1 FROM accounts FOR UPDATE"))

    async def repeat(database: Database, account: UUID, name: str) -> None:
        await bind_tenant(database, account_id=account)
        for _ in range(2):
            await record(database, system_caller(account), action="account.renamed", resource="account", resource_id=account)
        await database.execute(RENAME, {"name": name})

    for method in sorted(MUTATING):
        router.add_api_route(f"/forget/{method}", forget, methods=[method], name=f"forget_{method}")
        router.add_api_route(f"/repeat/{method}", repeat, methods=[method], name=f"repeat_{method}")
        router.add_api_route(f"/look/{method}", look, methods=[method], name=f"look_{method}")
    app.include_router(router)
    return app


@pytest.mark.parametrize("method", sorted(MUTATING))
async def test_a_change_with_no_entry_or_two_is_rolled_back(
    method: str, careless: FastAPI, client: httpx.AsyncClient, owner: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {"account": str(owner.account_id), "name": "Renamed in silence"}

    for mistake in ("forget", "repeat"):
        answer = await client.request(method, f"/{mistake}/{method}", params=parameters)
        assert answer.status_code == 500
    assert (await owner.client.get("/api/v1/auth/me")).json()["account"]["name"] == "Test"
    logged = capsys.readouterr().out
    assert "change_unaccounted" in logged
    assert "accounts" in logged
    assert (await client.request(method, f"/look/{method}", params=parameters)).status_code == 200
