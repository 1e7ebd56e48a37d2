"""Two tenants and callers with few scopes, made once for all contract tests of a process."""

import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import update

from spectral_api.app import create_app
from spectral_platform.accounts.models import Account, AccountStatus, User, UserStatus
from spectral_platform.core.access import AccountRole, WorkspaceRole
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.scans.models import ScanArtifact
from tests.agents.factories import config, create_agent
from tests.authoring.factories import suggested
from tests.changesets.factories import change, finding, make_changeset
from tests.contract.documents import Json, documented_operations, examples_of, path_parameter
from tests.evaluations.calibration.factories import ask_about, compared
from tests.fixtures.callers import Person, joined, register

PARAMETER = re.compile(r"{(\w+)}")
WORKSPACE = "/api/v1/workspaces/{workspace_id}"
SCANNING = {"scan_id", "schedule_id"}
"""What is made of all that a workspace has, without naming it."""
KEYS: dict[str, list[str]] = {
    "default key": [],
    "reading key": ["read:workspace"],
    "full key": ["read:agents", "write:traces", "read:workspace", "write:workspace"],
}
"""Keys of the owner's workspace by their scopes."""


@dataclass(frozen=True)
class Tenants:
    """The owner of a workspace, what is in it, who else may come in there, and somebody from elsewhere."""

    anybody: httpx.AsyncClient
    owner: Person
    stranger: Person
    items: dict[str, str]
    """Ids of things in the owner's workspace, by the name that they have in paths."""
    credentials: Mapping[str, str]
    """Tokens and keys of everybody who may try to come in, by what they are to the owner's workspace."""

    def path(self, template: str, *, workspace: Person | None = None, chosen: Mapping[str, str] = MappingProxyType({})) -> str:
        """A real path: in the owner's workspace unless told otherwise, with the owner's things, or with ids of nothing."""
        values = self.items | {"workspace_id": str((workspace or self.owner).workspace_id)} | dict(chosen)
        path = template
        for name in PARAMETER.findall(template):
            path = path.replace(f"{{{name}}}", values.get(name) or value_of(path_parameter(template, name)))
        return path


def value_of(schema: Json) -> str:
    """A well-formed value for a parameter in a path, which names nothing that exists."""
    if schema.get("type") == "integer":
        return "999"
    if schema.get("pattern") or schema.get("format") != "uuid":
        return uuid4().hex
    return str(uuid4())


@pytest.fixture(scope="session")
async def tenants(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tenants]:
    settings = Settings(database_url=shared_database_url, data_dir=tmp_path_factory.mktemp("contract"), workers=0)
    database = Database(shared_database_url)
    transport = httpx.ASGITransport(app=create_app(settings, database), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as anybody:
        owner, stranger = await register(anybody), await register(anybody)
        for person in (owner, stranger):  # where the path names no workspace, the header does
            person.client.headers["X-Workspace-Id"] = str(person.workspace_id)
        credentials = await everybody(anybody, database, owner, stranger)
        made = await things(owner)
        made |= await deliveries(owner, made["webhook_id"])
        made |= await samples(owner, made["sample_set_id"]) | await proposals(owner, database)
        made |= await suggestions(owner, database, made["rubric_id"])
        made |= {"user_id": await somebody(owner), "invite_id": await invited(owner), "session_id": await logged_in(owner)}
        made |= await label_requests(owner, database, made)
        made |= await artifacts(database, owner, made["scan_id"])
        made |= {"step_id": (await owner.client.get(f"{owner.w}/scans/{made['scan_id']}/steps")).json()["results"][0]["id"]}
        yield Tenants(anybody, owner, stranger, made, credentials)
        await owner.client.aclose()
        await stranger.client.aclose()
    await database.close()


async def everybody(anybody: httpx.AsyncClient, database: Database, owner: Person, stranger: Person) -> dict[str, str]:
    """Somebody of each kind; whoever was shut out was let in before."""
    members = {role.value: await joined(anybody, database, owner, workspace_role=role) for role in WorkspaceRole}
    members["no member"] = await joined(anybody, database, owner)
    members["operations"] = await joined(anybody, database, owner, role=AccountRole.OPERATIONS)
    members["revoked"] = await joined(anybody, database, owner, workspace_role=WorkspaceRole.ADMIN)
    suspended = await register(anybody)
    suspended_key = await suspended.key(*KEYS["full key"])
    async with database.transaction(account_id=suspended.account_id) as session:
        await session.execute(update(Account).values(status=AccountStatus.SUSPENDED))
    async with database.transaction(account_id=owner.account_id) as session:
        await session.execute(update(User).where(User.id == members["revoked"].user_id).values(status=UserStatus.REVOKED))
    return {
        "owner": owner.tokens["access_token"],
        **{role: person.tokens["access_token"] for role, person in members.items()},
        **{name: await owner.key(*scopes) for name, scopes in KEYS.items()},
        "stranger": stranger.tokens["access_token"],
        "stranger's key": await stranger.key(*KEYS["full key"]),
        "suspended": suspended.tokens["access_token"],
        "suspended key": suspended_key,
    }


async def somebody(owner: Person) -> str:
    """The id of an observer in the owner's workspace."""
    members = (await owner.client.get(f"{owner.w}/members")).json()["results"]
    return next(str(member["user_id"]) for member in members if member["role"] == WorkspaceRole.OBSERVER)


async def logged_in(owner: Person) -> str:
    """The id of the owner's session."""
    return str((await owner.client.get("/api/v1/auth/sessions")).json()["results"][0]["id"])


async def invited(owner: Person) -> str:
    """The id of an invite into the owner's account."""
    answer = await owner.client.post("/api/v1/account/invites", json={"email": f"{uuid4().hex}@example.com"})
    return str(answer.json()["id"])


async def things(owner: Person, *, needed: Collection[str] | None = None, without: str = "") -> dict[str, str]:
    """Make one of everything that can be made by sending the documented example to a collection of the workspace, save one.

    What an item is called in paths is read off the paths below the collection; what an example refers to by such a name is the
    thing that was made. The collections are gone through twice, because some refer to later ones. Where only some are ``needed``,
    only they are made, and what they refer to.
    """
    made: dict[str, str] = {}
    wanted = None if needed is None else with_references(needed)
    for template, name, example in 2 * list(collections()):
        if name not in made and template != without and (wanted is None or name in wanted):
            body = example | {key: made[key] for key in example if key in made} if isinstance(example, dict) else example
            answer = await owner.client.post(template.replace("{workspace_id}", str(owner.workspace_id)), json=body)
            if answer.status_code in {201, 202}:
                told = answer.json()
                made[name] = told["name"] if name.endswith("_name") else told["id"] if "id" in told else told["trace_ids"][0]
    return made


def with_references(names: Collection[str]) -> set[str]:
    """The names of things, and of all that these refer to: what an example names, and for what is scanned everything."""
    described = {name: set(example) if isinstance(example, dict) else set() for _, name, example in collections()}
    if not SCANNING.isdisjoint(names):
        return set(described)
    return set(names).union(*(described[name] for name in names if name in described))


async def samples(owner: Person, sample_set_id: str) -> dict[str, str]:
    """A sample in a set, which is no collection that answers with what it made."""
    path = f"{owner.w}/samples/sets/{sample_set_id}/samples"
    assert (await owner.client.post(path, json=[{"input": "Where is my order?"}])).status_code == 201
    return {"sample_id": (await owner.client.get(path)).json()["results"][0]["id"]}


async def deliveries(owner: Person, webhook_id: str) -> dict[str, str]:
    """A delivery to a webhook, which is made of news."""
    return {"delivery_id": (await owner.client.post(f"{owner.w}/webhooks/{webhook_id}/test")).json()["id"]}


async def proposals(owner: Person, database: Database) -> dict[str, str]:
    """A changeset with a cluster of failures, which only scans make."""
    agent = await create_agent(owner, config=config())
    changeset_id = await make_changeset(database, owner, change(agent), clusters=(finding(),))
    clusters = (await owner.client.get(f"{owner.w}/changesets/clusters")).json()["results"]
    return {"changeset_id": str(changeset_id), "cluster_id": clusters[0]["cluster_id"]}


async def suggestions(owner: Person, database: Database, rubric_id: str) -> dict[str, str]:
    """A suggestion for the rubric, which scores and feedback make."""
    rubric = (await owner.client.get(f"{owner.w}/evaluations/rubrics/{rubric_id}")).json()
    return {"suggestion_id": (await suggested(database, owner, rubric))["id"]}


async def label_requests(owner: Person, database: Database, made: Mapping[str, str]) -> dict[str, str]:
    """A pair of answers to label, which only scans ask for."""
    await ask_about(database, owner, made["rubric_id"], made["scan_id"], [compared(1)])
    path = f"{owner.w}/evaluations/rubrics/{made['rubric_id']}/label-requests"
    return {"label_request_id": (await owner.client.get(path)).json()["results"][0]["id"]}


async def artifacts(database: Database, owner: Person, scan_id: str) -> dict[str, str]:
    """A file of a scan, which only scans leave."""
    content = b"{}"
    artifact = ScanArtifact(
        workspace_id=owner.workspace_id,
        scan_id=UUID(scan_id),
        path="verdict.json",
        media_type="application/json",
        size_bytes=len(content),
        sha256=sha256(content).hexdigest(),
        content=content,
    )
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        session.add(artifact)
        await session.flush()
        return {"artifact_id": str(artifact.id)}


def collections() -> Iterator[tuple[str, str, Any]]:
    """Path, name of an item in paths, and documented example of every collection that lies directly in a workspace."""
    described = list(documented_operations())
    for method, path, operation in described:
        if method == "POST" and path.startswith(WORKSPACE) and "{" not in path.removeprefix(WORKSPACE):
            below = f"{path}/{{"
            names = {other.removeprefix(below).split("}")[0] for _, other, _ in described if other.startswith(below)}
            for name, example in product(names, examples_of(operation)[:1]):
                yield path, name, example
