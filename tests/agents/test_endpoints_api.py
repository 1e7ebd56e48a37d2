"""Agents behind endpoints of their own: what a config says of them, and secret headers that nobody sees again."""

from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.endpoints import open_secret_headers
from spectral_platform.agents.errors import SecretHeadersUnreadable
from spectral_platform.core.database import Database
from spectral_platform.core.sealing import Seal
from spectral_platform.core.settings import Settings
from tests.agents.factories import config, create_agent
from tests.fixtures.callers import Person

URL = "https://agents.example.com/run"
SECRET = "Bearer s3cret-and-quite-long"


def http_config(**execution: Any) -> dict[str, Any]:
    """The JSON of a config of an agent behind an endpoint."""
    return config() | {"execution": {"kind": "http", "url": URL} | execution}


async def add(owner: Person, agent_id: str, new: dict[str, Any]) -> Any:
    """The answer to a new config version."""
    return await owner.client.post(f"{owner.w}/agents/{agent_id}/config/versions", json={"config": new})


async def test_secret_headers_are_kept_sealed_and_never_shown_again(
    owner: Person, database: Database, settings: Settings
) -> None:
    agent = await create_agent(owner, config=http_config(headers_secret={"Authorization": SECRET, "X-Team": "a b"}))
    w = f"{owner.w}/agents/{agent['id']}"

    shown = (await owner.client.get(f"{w}/config")).json()["execution"]
    assert shown["url"] == URL
    assert shown["headers_secret_names"] == ["authorization", "x-team"]
    assert "headers_secret" not in shown
    changed = http_config(headers_secret={"Authorization": "Bearer other"})
    assert (await add(owner, agent["id"], changed)).status_code == 201
    for path in ("config", "config/versions", "config/versions/1", "config/versions/2", "config/diff?from=1&to=2"):
        answer = await owner.client.get(f"{w}/{path}")
        assert answer.status_code == 200
        assert "s3cret" not in answer.text
        assert "Bearer" not in answer.text
    export = await owner.client.get("/api/v1/account/export")
    assert export.status_code == 200
    assert "s3cret" not in export.text

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        rows = (await session.execute(text("SELECT headers FROM endpoint_headers"))).scalars().all()
        stored = (await session.execute(text("SELECT config::text FROM config_versions"))).scalars().all()
        assert len(rows) == 2
        assert not any("s3cret" in row for row in [*rows, *stored])
        read = AgentConfig.model_validate_json(stored[0])
        opened = await open_secret_headers(session, owner.workspace_id, settings.seal, [read])
        assert list(opened.values()) == [{"authorization": SECRET, "x-team": "a b"}]
        assert "s3cret" not in repr(opened)
        with pytest.raises(SecretHeadersUnreadable):
            await open_secret_headers(session, owner.workspace_id, Seal(["another"]), [read])


async def test_a_new_version_keeps_the_headers_that_it_names_for_their_own_agent_and_origin_only(
    owner: Person, stranger: Person
) -> None:
    agent = await create_agent(owner, config=http_config(headers_secret={"Authorization": SECRET}))
    execution = (await owner.client.get(f"{owner.w}/agents/{agent['id']}/config")).json()["execution"]
    kept = {"headers_secret_id": execution["headers_secret_id"]}

    assert (await add(owner, agent["id"], config() | {"execution": execution})).json()["config"]["execution"] == execution
    moved = await add(owner, agent["id"], http_config(url="https://agents.example.com/other", **kept))
    assert moved.json()["config"]["execution"]["headers_secret_names"] == ["authorization"]
    dropped = await add(owner, agent["id"], http_config(headers_secret_names=["authorization"]))
    assert dropped.json()["config"]["execution"]["headers_secret_names"] == []
    for url in ("https://evil.example.com/run", "https://agents.example.com:8443/run"):
        refused = await add(owner, agent["id"], http_config(url=url, **kept))
        assert (refused.status_code, refused.json()["headers_secret_id"]) == (400, execution["headers_secret_id"])
    other, foreign = await create_agent(owner), await create_agent(stranger)
    assert (await add(owner, other["id"], http_config(**kept))).status_code == 400
    assert (await add(stranger, foreign["id"], http_config(**kept))).status_code == 400
    assert (await add(owner, agent["id"], http_config(headers_secret_id=str(uuid4())))).status_code == 400


async def test_the_headers_of_a_deleted_agent_are_erased(owner: Person, database: Database) -> None:
    agent = await create_agent(owner, config=http_config(headers_secret={"Authorization": SECRET}))

    assert (await owner.client.delete(f"{owner.w}/agents/{agent['id']}")).status_code == 204

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        assert await session.scalar(text("SELECT count(*) FROM endpoint_headers")) == 0


async def test_the_headers_of_a_merged_agent_are_the_other_ones(owner: Person) -> None:
    agent = await create_agent(owner, config=http_config(headers_secret={"Authorization": SECRET}))
    execution = (await owner.client.get(f"{owner.w}/agents/{agent['id']}/config")).json()["execution"]
    other = await create_agent(owner)

    merged = await owner.client.post(f"{owner.w}/agents/{agent['id']}/merge", json={"into": other["id"]})

    assert merged.status_code == 200, merged.text
    assert (await add(owner, other["id"], config() | {"execution": execution})).status_code == 201


@pytest.mark.parametrize(
    "execution",
    [
        {"kind": "http"},
        {"kind": "http", "url": None},
        {"kind": "model", "url": URL},
        {"kind": "model", "headers_secret": {"A": "b"}},
        {"kind": "http", "url": "agents.example.com"},
        {"kind": "http", "url": "ftp://agents.example.com"},
        {"kind": "http", "url": URL, "timeout_ms": 0},
        {"kind": "http", "url": URL, "timeout_ms": 600_001},
        {"kind": "http", "url": URL, "max_concurrency": 65},
        {"kind": "http", "url": URL, "headers_secret": {"Host": "a"}},
        {"kind": "http", "url": URL, "headers_secret": {"Spectral-Replay": "2"}},
        {"kind": "http", "url": URL, "headers_secret": {"": "a"}},
        {"kind": "http", "url": URL, "headers_secret": {"A b": "c"}},
        {"kind": "http", "url": URL, "headers_secret": {"A": SECRET + "\r\nB: c"}},
        {"kind": "http", "url": URL, "headers_secret": {"A": SECRET + "é"}},
        {"kind": "http", "url": URL, "headers_secret": {"A": ""}},
        {"kind": "http", "url": URL, "headers_secret": {"A": SECRET, "a": "2"}},
        {"kind": "http", "url": URL, "headers_secret": {f"A-{n}": "x" for n in range(21)}},
        {"kind": "http", "url": URL, "headers_secret": {"A": SECRET}, "headers_secret_id": str(uuid4())},
    ],
)
async def test_an_execution_that_cannot_be_is_refused_at_its_place(execution: dict[str, Any], owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/agents", json={"name": "a", "config": config() | {"execution": execution}})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["location"][:2] == ["body", "config"]
    assert "s3cret" not in answer.text


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/run", "http://169.254.169.254/", "http://user:pw@example.com/", "http://2130706433/"]
)
async def test_an_endpoint_inside_the_network_is_refused(url: str, owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/agents", json={"name": "a", "config": http_config(url=url)})

    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[1]) == (400, "business-rule-violation")


def test_secret_headers_do_not_show_in_a_config_that_is_printed() -> None:
    read = AgentConfig.model_validate(http_config(headers_secret={"Authorization": SECRET}))

    assert read.execution is not None
    assert read.execution.headers_secret == {"Authorization": SecretStr(SECRET)}
    assert "s3cret" not in repr(read)
    assert "s3cret" not in read.model_dump_json()
