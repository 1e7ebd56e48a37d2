"""Configs as flags: OpenFeature's remote evaluation protocol, and OpenFeature's own client."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason

from tests.agents.factories import PROMPT, add_version, config, create_agent, merge
from tests.fixtures.callers import Person

FLAGS = "/ofrep/v1/evaluate/flags"


@pytest.fixture
async def headers(owner: Person) -> dict[str, str]:
    """What an agent's program sends: an API key, which decides the workspace."""
    return dict(owner.bearing(await owner.key()))


async def promote(person: Person, agent: dict[str, Any], version: int) -> None:
    path = f"{person.w}/agents/{agent['id']}/config/versions/{version}/promote"
    assert (await person.client.post(path, json={"label": "production"})).status_code == 200


async def test_a_flag_is_the_config_that_runs_and_its_variant_the_version(
    client: httpx.AsyncClient, owner: Person, headers: dict[str, str]
) -> None:
    agent = await create_agent(owner, name="support", config=config(temperature=0.2))

    answer = await client.post(f"{FLAGS}/support", headers=headers, json={"context": {"targetingKey": "a", "plan": "pro"}})

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told.pop("value") == (await owner.client.get(f"{owner.w}/agents/{agent['id']}/config")).json()
    assert told == {
        "key": "support",
        "reason": "STATIC",
        "variant": "1",
        "metadata": {"agent_id": agent["id"], "version": 1, "label": "production"},
    }


@pytest.mark.parametrize("key", ["teams/support", "support bot", "ünïcode: 1", "a%2Fb", "x?y"])
async def test_any_name_is_a_key(client: httpx.AsyncClient, owner: Person, headers: dict[str, str], key: str) -> None:
    await create_agent(owner, name=key, config=config())
    other = await create_agent(owner, name="other")
    await merge(owner, other["id"], (await create_agent(owner, name="whole", config=config()))["id"])

    for name in (key, "other"):
        path = httpx.URL("http://testserver").copy_with(raw_path=f"{FLAGS}/".encode() + _quoted(name))
        answer = await client.post(path, headers=headers)
        assert (answer.status_code, answer.json().get("key")) == (200, name), answer.text


def _quoted(name: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in name.encode()).encode()


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("/absent", b"{}", 404, "FLAG_NOT_FOUND"),
        ("/draft", b"{}", 404, "FLAG_NOT_FOUND"),
        ("/a%3Fb", b"{}", 404, "FLAG_NOT_FOUND"),
        ("/support", b"{", 400, "PARSE_ERROR"),
        ("/support", b"\xff", 400, "PARSE_ERROR"),
        ("/support", b'{"context": 1}', 400, "INVALID_CONTEXT"),
        ("/support", b"[]", 400, "INVALID_CONTEXT"),
        ("/support?window=1h", b"{}", 400, "GENERAL"),
        ("", b"{", 400, "PARSE_ERROR"),
        ("", b'{"context": "x"}', 400, "INVALID_CONTEXT"),
    ],
)
async def test_failures_are_told_as_the_protocol_says(
    client: httpx.AsyncClient, owner: Person, headers: dict[str, str], path: str, content: bytes, status: int, code: str
) -> None:
    await create_agent(owner, name="support", config=config())
    await create_agent(owner, name="draft")

    answer = await client.post(f"{FLAGS}{path}", headers=headers, content=content)

    told = answer.json()
    assert (answer.status_code, told["errorCode"]) == (status, code)
    assert told["errorDetails"]
    assert told.get("key") == (unquote(path.partition("?")[0]).removeprefix("/") or None)


async def test_strangers_see_no_flags(client: httpx.AsyncClient, owner: Person, stranger: Person) -> None:
    await create_agent(owner, name="support", config=config())
    foreign = stranger.bearing(await stranger.key())

    assert (await client.post(f"{FLAGS}/support")).status_code == 401
    assert (await client.post(f"{FLAGS}/support", headers=foreign)).status_code == 404
    assert (await client.post(FLAGS, headers=foreign)).json() == {"flags": []}


async def test_all_flags_have_one_entity_tag_that_changes_with_any(
    client: httpx.AsyncClient, owner: Person, headers: dict[str, str]
) -> None:
    for name in ("b", "a", "unlabelled"):
        agent = await create_agent(owner, name=name, **({} if name == "unlabelled" else {"config": config()}))
        await add_version(owner, agent, config("Be brief."))
    first = await client.post(FLAGS, headers=headers, json={"context": {"targetingKey": "a"}})
    held = headers | {"If-None-Match": first.headers["ETag"]}

    same = await client.post(FLAGS, headers=held, json={})
    await promote(owner, agent, 1)
    changed = await client.post(FLAGS, headers=held)

    assert [flag["key"] for flag in first.json()["flags"]] == ["a", "b"]
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert [flag["key"] for flag in changed.json()["flags"]] == ["a", "b", "unlabelled"]
    assert changed.headers["ETag"] != first.headers["ETag"]


@pytest.fixture
def no_provider_left() -> Iterator[None]:
    """OpenFeature keeps providers for the whole process."""
    yield
    api.clear_providers()


@pytest.mark.usefixtures("no_provider_left")
async def test_a_stock_openfeature_client_reads_configs(server_url: str, owner: Person, headers: dict[str, str]) -> None:
    agent = await create_agent(owner, name="teams/support", config=config())
    await add_version(owner, agent, config("Be brief."))
    provider = OFREPProvider(server_url, headers_factory=lambda: headers)

    def read(key: str) -> FlagEvaluationDetails[Any]:
        return api.get_client().get_object_details(key, {"default": True}, EvaluationContext("checkout", {"plan": "pro"}))

    await asyncio.to_thread(api.set_provider, provider)
    found = await asyncio.to_thread(read, "teams/support")
    await promote(owner, agent, 2)
    newer = await asyncio.to_thread(read, "teams/support")
    absent = await asyncio.to_thread(read, "absent")
    headers.clear()
    refused = await asyncio.to_thread(read, "teams/support")
    provider.session.close()

    assert (found.reason, found.variant, found.error_code) == (Reason.STATIC, "1", None)
    assert found.value["template"]["base_prompt"] == PROMPT
    assert found.flag_metadata["agent_id"] == agent["id"]
    assert (newer.variant, newer.value["template"]["base_prompt"]) == ("2", "Be brief.")
    assert (absent.reason, absent.error_code, absent.value) == (Reason.ERROR, ErrorCode.FLAG_NOT_FOUND, {"default": True})
    assert (refused.error_code, refused.error_message) == (ErrorCode.GENERAL, "unauthorized")
