"""Sending a POST again with its Idempotency-Key: it is carried out once and answered alike."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql

from spectral_api.idempotency import WITHOUT_KEYS
from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.idempotency.claims import Claim
from spectral_platform.idempotency.commands import CARRIED_OUT_WITHIN, KEPT_FOR, claim_request, keep_claim, prune_kept_answers
from tests.agents.factories import config, create_agent
from tests.contract.documents import documented_operations, examples_of
from tests.fixtures.callers import Person


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def issue(person: Person, key: str, name: str = "CI") -> httpx.Response:
    """Ask for an API key."""
    return await person.client.post(f"{person.w}/keys", json={"name": name}, headers=keyed(key))


async def issued(person: Person) -> int:
    answer = await person.client.get(f"{person.w}/keys")
    total: int = answer.json()["pagination"]["total"]
    return total


def slug(answer: httpx.Response) -> str:
    problem_type: str = answer.json()["type"]
    return problem_type.rsplit("/", 1)[-1]


async def test_the_same_request_is_answered_again_and_carried_out_once(owner: Person) -> None:
    key = uuid4().hex
    first, second = await issue(owner, key), await issue(owner, key)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.json()["key"].startswith("sk_live_")
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert await issued(owner) == 1
    for name in ("location", "content-type", "content-length"):
        assert second.headers[name] == first.headers[name]


async def test_entity_tags_are_replayed(owner: Person) -> None:
    create = next(each for _, _, each in documented_operations() if each["operationId"] == "create_rubric")
    path = f"{owner.w}/evaluations/rubrics"
    answers = [await owner.client.post(path, json=examples_of(create)[0], headers=keyed("rubric")) for _ in range(2)]

    assert answers[1].headers["idempotent-replayed"] == "true"
    assert answers[0].headers["etag"] == answers[1].headers["etag"]
    assert answers[0].headers["location"] == answers[1].headers["location"]


async def test_an_uploaded_file_is_taken_in_once(owner: Person) -> None:
    made = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Refunds"})).json()
    path = f"{owner.w}/samples/sets/{made['id']}/samples"
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{"input": "Hello"}\n\r\n--x--\r\n'
    headers = keyed("upload") | {"Content-Type": "multipart/form-data; boundary=x"}
    first, second = [await owner.client.post(path, content=body, headers=headers) for _ in range(2)]

    assert (first.status_code, second.status_code) == (201, 201), first.text
    assert first.content == second.content
    assert (await owner.client.get(path)).json()["pagination"]["total"] == 1


async def test_a_form_that_is_sent_again_is_the_same_though_its_boundary_is_another(owner: Person) -> None:
    made = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Refunds"})).json()
    path = f"{owner.w}/samples/sets/{made['id']}/samples"
    answers = [
        await owner.client.post(path, files={"file": ("a.jsonl", b'{"input": "%s"}' % text)}, headers=keyed("form"))
        for text in (b"Hello", b"Hello", b"Goodbye")
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 422], answers[0].text
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert slug(answers[2]) == "idempotency-key-reused"


async def test_the_version_that_a_request_is_for_is_part_of_it(owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    path, body = f"{owner.w}/agents/{agent['id']}/config/versions", {"config": config("Be brief.")}
    first, again, other = [
        await owner.client.post(path, json=body, headers=keyed("version") | {"If-Match": tag}) for tag in ('"a"', '"a"', '"b"')
    ]

    assert (first.status_code, again.status_code) == (412, 412)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")


@pytest.mark.own_database
async def test_of_twenty_racers_one_is_carried_out(owner: Person) -> None:
    answers = await asyncio.gather(*(issue(owner, "race") for _ in range(20)))

    done = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert await issued(owner) == 1
    assert len({answer.content for answer in done}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in done) == 1
    assert all((answer.status_code, slug(answer)) == (409, "request-in-progress") for answer in refused)
    assert all("retry-after" in answer.headers for answer in refused)


async def test_another_body_under_the_same_key_is_refused(owner: Person) -> None:
    key = uuid4().hex
    await issue(owner, key)
    answer = await issue(owner, key, name="Other")

    assert (answer.status_code, slug(answer)) == (422, "idempotency-key-reused")
    assert await issued(owner) == 1


async def test_another_caller_or_route_has_keys_of_its_own(owner: Person, stranger: Person) -> None:
    key = uuid4().hex
    for answer in (
        await issue(owner, key),
        await issue(stranger, key),
        await owner.client.post("/api/v1/workspaces", json={"name": "CI"}, headers=keyed(key)),
        await owner.client.post(f"{owner.w}/samples/sets", json={"name": "CI"}, headers=keyed(key)),
    ):
        assert answer.status_code == 201, answer.text
        assert "idempotent-replayed" not in answer.headers


async def test_without_a_key_every_request_is_carried_out(owner: Person) -> None:
    for _ in range(2):
        assert (await owner.client.post(f"{owner.w}/keys", json={"name": "CI"})).status_code == 201

    assert await issued(owner) == 2


@pytest.mark.parametrize(
    "key", ["", " ", "two words", "x" * 256, "caf\u00e9".encode()], ids=["empty", "blank", "space", "long", "not ASCII"]
)
async def test_a_malformed_key_is_invalid_but_strangers_are_refused_first(
    key: str | bytes, owner: Person, client: httpx.AsyncClient
) -> None:
    headers: Any = {"Idempotency-Key": key}
    answer = await owner.client.post(f"{owner.w}/keys", json={"name": "CI"}, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == ["header", "Idempotency-Key"]
    assert (await client.post(f"{owner.w}/keys", json={"name": "CI"}, headers=headers)).status_code == 401


async def test_a_refusal_by_a_rule_is_kept_and_changes_nothing(owner: Person) -> None:
    key = uuid4().hex
    agent = {"name": f"agent-{uuid4().hex}"}
    made = await owner.client.post(f"{owner.w}/agents", json=agent)
    first = await owner.client.post(f"{owner.w}/agents", json=agent, headers=keyed(key))
    assert (await owner.client.delete(f"{owner.w}/agents/{made.json()['id']}")).status_code == 204
    second = await owner.client.post(f"{owner.w}/agents", json=agent, headers=keyed(key))

    assert (first.status_code, second.status_code) == (400, 400)
    assert first.content == second.content
    assert second.headers["content-type"] == "application/problem+json"
    assert second.headers["idempotent-replayed"] == "true"
    entries = (await owner.client.get("/api/v1/account/audit-log")).json()["results"]
    assert [entry["action"] for entry in entries][:2] == ["agent.deleted", "agent.created"]


async def test_a_request_of_the_wrong_shape_may_be_mended_under_the_same_key(owner: Person) -> None:
    key = uuid4().hex
    wrong = await owner.client.post(f"{owner.w}/keys", json={"nmae": "CI"}, headers=keyed(key))

    assert (wrong.status_code, slug(wrong)) == (422, "validation-error")
    assert (await issue(owner, key)).status_code == 201


async def test_what_failed_on_our_side_is_not_kept(
    app: FastAPI, owner: Person, monkeypatch: pytest.MonkeyPatch, superuser: psycopg.Connection
) -> None:
    key = uuid4().hex

    async def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("the server died here")

    with monkeypatch.context() as broken:
        broken.setattr("spectral_platform.keys.commands.record", breaks)
        assert (await issue(owner, key)).status_code == 500
    assert await issued(owner) == 0

    assert (await issue(owner, key)).status_code == 201
    assert await issued(owner) == 1


async def test_a_request_whose_connection_dies_leaves_the_key_free(
    owner: Person, settings: Settings, database: Database, superuser: psycopg.Connection
) -> None:
    path = f"{owner.w}/keys"
    claim = Claim.of(settings, owner.caller(), method="POST", path=path, key="dies", request=b'\n{"name":"CI"}')
    lost = database.transaction()
    session = await lost.__aenter__()
    assert await claim_request(session, claim) is None
    during = await issue(owner, "dies")
    await session.close()  # what a crash does to the transaction
    await lost.__aexit__(None, None, None)

    assert (during.status_code, slug(during)) == (409, "request-in-progress")
    assert (await issue(owner, "dies")).status_code == 201


async def test_an_answer_is_forgotten_after_a_day(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch, superuser: psycopg.Connection
) -> None:
    key = uuid4().hex
    await issue(owner, key)
    later = clock.now() + KEPT_FOR
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr("spectral_platform.idempotency.commands.clock.now", lambda: later)
        async with database.transaction() as session:
            await prune_kept_answers(session)

    kept = "SELECT count(*) FROM kept_answers WHERE created_at <= %s"  # other tests keep answers whose time they move
    assert superuser.execute(kept, [later - KEPT_FOR]).fetchone() == (0,)
    assert "idempotent-replayed" not in (await issue(owner, key)).headers


async def test_what_is_done_in_transactions_of_its_own_is_carried_out_once_too(owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    path, body = f"{owner.w}/evaluations/rubrics/generate?save=true", {"agent_id": agent["id"]}
    first, second = [await owner.client.post(path, json=body, headers=keyed("draft")) for _ in range(2)]
    other = await owner.client.post(path, json=body | {"goal": "Be brief."}, headers=keyed("draft"))

    assert (first.status_code, second.status_code) == (201, 201), first.text
    assert second.headers["idempotent-replayed"] == "true"
    assert second.content == first.content
    assert (await owner.client.get(f"{owner.w}/evaluations/rubrics")).json()["pagination"]["total"] == 1
    assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")


async def test_while_it_is_done_in_transactions_of_its_own_it_is_in_progress(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await create_agent(owner, config=config())
    path, body = f"{owner.w}/evaluations/rubrics/generate", {"agent_id": agent["id"]}
    seen: list[httpx.Response] = []

    async def breaks(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        seen.append(await owner.client.post(path, json=body, headers=keyed("slow")))
        raise RuntimeError("the server died here")

    monkeypatch.setattr("spectral_platform.authoring.commands.queries.observe_agent", breaks)
    failed = await owner.client.post(path, json=body, headers=keyed("slow"))
    again = await owner.client.post(path, json=body, headers=keyed("slow"))

    assert [(each.status_code, slug(each)) for each in seen] == [(409, "request-in-progress")]
    assert (failed.status_code, again.status_code) == (500, 200)
    assert "idempotent-replayed" not in again.headers


async def test_a_refusal_of_what_is_done_in_transactions_of_its_own_is_kept(owner: Person) -> None:
    path = f"{owner.w}/agents/{uuid4()}/infer-template"
    answers = [await owner.client.post(path, json={}, headers=keyed("absent")) for _ in range(2)]
    wrong = await owner.client.post(path, json={"limit": 0}, headers=keyed("wrong"))
    mended = await owner.client.post(path, json={}, headers=keyed("wrong"))

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert (wrong.status_code, mended.status_code) == (422, 404)
    assert "idempotent-replayed" not in mended.headers


async def test_a_claim_that_a_crash_left_behind_ends_by_itself(
    owner: Person, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{owner.w}/keys"
    claim = Claim.of(settings, owner.caller(), method="POST", path=path, key="crash", request=b'\n\n{"name":"CI"}')
    async with database.transaction() as session:
        await keep_claim(session, claim)
    during = await issue(owner, "crash")
    later = clock.now() + CARRIED_OUT_WITHIN
    with monkeypatch.context() as afterwards:
        afterwards.setattr("spectral_platform.idempotency.commands.clock.now", lambda: later)
        after = await issue(owner, "crash")

    assert (during.status_code, slug(during)) == (409, "request-in-progress")
    assert after.status_code == 201


@pytest.mark.own_database
async def test_what_is_shown_once_lies_nowhere_in_the_database(owner: Person, superuser: psycopg.Connection) -> None:
    client_key = f"client-key-{uuid4().hex}"
    secret = (await issue(owner, client_key)).json()["key"]
    assert (await issue(owner, client_key)).json()["key"] == secret
    tables = superuser.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )

    found = []
    for (table,) in tables.fetchall():
        query = sql.SQL("SELECT count(*) FROM {} t WHERE t::text ~ ANY (%s)").format(sql.SQL(table))
        needles = [each for text in (secret, client_key) for each in (text, text.encode().hex())]
        found += [table for (count,) in superuser.execute(query, [needles]).fetchall() if count]

    assert found == []
    assert superuser.execute("SELECT count(*) FROM kept_answers").fetchone() == (1,)


def test_every_post_that_takes_a_key_says_so() -> None:
    taking = {
        operation["operationId"]
        for _, _, operation in documented_operations()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
    }
    posts = {
        operation["operationId"]: path
        for method, path, operation in documented_operations()
        if method == "POST" and "security" in operation and path.startswith("/api/v1/")
    }

    assert taking == {name for name, path in posts.items() if "/auth/" not in path} - (WITHOUT_KEYS.keys() & posts.keys())
    # May only shrink.
    assert set(WITHOUT_KEYS) == {"create_traces", "export_traces", "evaluate_flag", "evaluate_flags", "create_chat_completion"}
