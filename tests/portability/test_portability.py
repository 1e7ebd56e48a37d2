"""Taking an account out whole, and in again on an empty server."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from spectral_api.app import create_app
from spectral_api.streaming import STREAMS_AT_ONCE, stream
from spectral_platform.audit.queries import verify_audit_log
from spectral_platform.core import schema
from spectral_platform.core.database import Database, driver_url
from spectral_platform.core.sealing import Seal
from spectral_platform.core.settings import Settings
from spectral_platform.portability.errors import ImportRefused
from spectral_platform.portability.exporting import export_account, seal_of
from spectral_platform.portability.importing import import_account
from spectral_platform.portability.inventory import LEFT_OUT, LEFT_OUT_COLUMNS, SEALED, exported
from spectral_platform.tables import metadata
from tests.cli.processes import spectral
from tests.fixtures.callers import Person, register
from tests.fixtures.database import clone
from tests.traces.factories import index

pytestmark = pytest.mark.own_database


async def exported_lines(client: httpx.AsyncClient) -> list[bytes]:
    answer = await client.get("/api/v1/account/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return answer.content.splitlines(keepends=True)


async def take_in(url: str, lines: Iterable[bytes], seal: Seal) -> tuple[Any, int]:
    engine = create_async_engine(driver_url(url))
    try:
        async with AsyncSession(engine) as session, session.begin():
            return await import_account(session, lines, seal)
    finally:
        await engine.dispose()


async def rows_of(database: Database, person: Person, seal: Seal) -> list[str]:
    """Every row of an account, opened, but without what exporting itself leaves in the audit log."""
    opened = []
    async for line in export_account(database, person.account_id, seal):
        told = json.loads(line)
        if "table" in told:
            opened.append(f"{told['table']} {seal.open(told['sealed']) if 'sealed' in told else line.decode()}")
    return opened


def test_every_table_is_exported_or_is_left_out_for_a_reason() -> None:
    taken = {holding.table.name for holding in exported()}

    assert set(metadata.tables) == taken | set(LEFT_OUT)
    assert not taken & set(LEFT_OUT)
    assert set(SEALED) <= taken
    assert all(metadata.tables[table].c[column].nullable for table, column in LEFT_OUT_COLUMNS)


async def test_what_was_taken_out_comes_in_unchanged_and_keeps_working(
    postgres: str, database: Database, settings: Settings, furnished: Person
) -> None:
    key = furnished.bearing(await furnished.key("read:workspace"))
    seal = seal_of(settings)
    lines = await exported_lines(furnished.client)
    tables = {json.loads(line).get("table") for line in lines}
    elsewhere = clone(postgres)

    account_id, count = await take_in(elsewhere, lines, seal)

    assert account_id == furnished.account_id
    assert json.loads(lines[-1]) == {"complete": True, "rows": count}
    assert count == len(lines) - 2
    assert tables >= {"users", "spans", "model_calls", "scan_events", "changesets", "workspace_policies", "case_splits"}
    imported = Database(elsewhere)
    try:
        assert await rows_of(imported, furnished, seal) == await rows_of(database, furnished, seal)
        await index(imported)
        app = create_app(settings, imported)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=key) as client:
            read = await client.get(f"{furnished.w}/traces", params={"search": "order"})
            assert (read.status_code, read.json()["pagination"]["total"]) == (200, 3)
        async with imported.transaction(account_id=furnished.account_id) as session:
            hashes = await session.scalars(text("SELECT password_hash FROM users"))
            assert set(hashes) == {None}
            verified = (await furnished.client.get("/api/v1/account/audit-log/verify")).json()
            assert (await verify_audit_log(session, furnished.caller())).valid
            assert verified["valid"]
    finally:
        await imported.close()


async def test_an_export_holds_nothing_of_others_and_no_secret(
    client: httpx.AsyncClient, furnished: Person, stranger: Person
) -> None:
    secret = await furnished.key()

    text_of_it = b"".join(await exported_lines(furnished.client)).decode()

    for hidden in (str(stranger.account_id), stranger.email, secret, furnished.tokens["refresh_token"], "$argon2"):
        assert hidden not in text_of_it
    sealed = {json.loads(line)["table"] for line in text_of_it.splitlines() if '"sealed"' in line}
    assert set(SEALED) - {"holdout_exposures"} <= sealed <= set(SEALED)  # a simulated verdict exposes nothing
    assert '"split":' not in text_of_it


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda lines: lines[:-1], "incomplete"),
        (lambda lines: [*lines[:-1], lines[-1][:10]], "not whole JSON"),
        (lambda lines: [*lines[:5], *lines[6:]], "says that they are"),
        (lambda lines: [*lines, b'{"table":"users","row":{}}\n'], "goes on"),
        (lambda lines: [lines[0].replace(schema.head().encode(), b"0001"), *lines[1:]], "schema revision 0001"),
        (lambda lines: lines[1:], "first line"),
        (lambda lines: [], "not whole JSON"),
        (lambda lines: [lines[0], b'{"table":"refresh_tokens","row":{}}\n', *lines[2:]], "refresh_tokens"),
    ],
)
async def test_a_file_that_is_not_whole_is_refused_and_leaves_nothing(
    damage: Any, complaint: str, postgres: str, settings: Settings, owner: Person
) -> None:
    await owner.key()
    lines = damage(await exported_lines(owner.client))
    elsewhere = clone(postgres)

    with pytest.raises(ImportRefused, match=complaint):
        await take_in(elsewhere, lines, seal_of(settings))

    await take_in(elsewhere, await exported_lines(owner.client), seal_of(settings))  # still empty


OTHER = "0198c5a2-7b1e-7c3d-9f00-3b6f4c1d2e5a"


def with_another_account(lines: list[bytes]) -> list[bytes]:
    (account,) = [line for line in lines if line.startswith(b'{"table":"accounts"')]
    row = json.loads(account)
    row["row"]["id"] = OTHER
    return renumbered([*lines[:-1], json.dumps(row, separators=(",", ":")).encode() + b"\n", lines[-1]])


def renumbered(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], json.dumps({"complete": True, "rows": len(lines) - 2}).encode()]


@pytest.mark.parametrize(
    ("forge", "complaint"),
    [
        (with_another_account, "besides those of the account"),
        (lambda lines: renumbered([*lines[:-1], b'{"table":"users","row":{"id":"%s"}}\n' % OTHER.encode(), lines[-1]]), "stored"),
        (lambda lines: renumbered([*lines[:-1], b'{"table":"users","row":{"id":"\'; DROP"}}\n', lines[-1]]), "stored"),
        (lambda lines: renumbered([*lines[:-1], b'{"table":"users","row":{},"x":1}\n', lines[-1]]), "stored"),
        (lambda lines: [json.dumps(json.loads(lines[0]) | {"account_id": "me"}).encode() + b"\n", *lines[1:]], "which account"),
    ],
)
async def test_a_forged_file_is_refused_in_plain_words(
    forge: Any, complaint: str, postgres: str, settings: Settings, owner: Person
) -> None:
    lines = forge(await exported_lines(owner.client))

    with pytest.raises(ImportRefused, match=complaint):
        await take_in(clone(postgres), lines, seal_of(settings))


async def test_no_file_makes_anybody_operations_staff(postgres: str, settings: Settings, owner: Person) -> None:
    await owner.client.post("/api/v1/account/invites", json={"email": "a@example.com", "account_role": "member"})
    lines = await exported_lines(owner.client)
    forged = [
        line.replace(b'"role":"owner"', b'"role":"operations"').replace(b'_role":"member"', b'_role":"operations"')
        if line.startswith((b'{"table":"account_members"', b'{"table":"invites"'))
        else line
        for line in lines
    ]
    assert len([1 for before, after in zip(lines, forged, strict=True) if before != after]) == 2
    elsewhere = clone(postgres)
    await take_in(elsewhere, forged, seal_of(settings))

    engine = create_async_engine(driver_url(elsewhere))
    async with AsyncSession(engine) as session:
        roles = await session.scalars(text("SELECT role FROM account_members UNION ALL SELECT account_role FROM invites"))
        assert roles.all() == ["owner", "member"]
    await engine.dispose()


async def test_a_file_with_another_history_is_refused(postgres: str, settings: Settings, owner: Person) -> None:
    lines = await exported_lines(owner.client)
    forged = [line.replace(b"account.created", b"account.forgery") for line in lines]
    assert forged != lines

    with pytest.raises(ImportRefused, match="tampered with: entry 1 "):
        await take_in(clone(postgres), forged, seal_of(settings))


async def test_the_log_of_an_imported_account_can_still_only_grow(postgres: str, settings: Settings, owner: Person) -> None:
    elsewhere = clone(postgres)
    await take_in(elsewhere, await exported_lines(owner.client), seal_of(settings))

    engine = create_async_engine(driver_url(elsewhere))
    async with AsyncSession(engine) as session:
        deferrable = await session.scalars(text("SELECT conname FROM pg_constraint WHERE condeferrable"))
        assert deferrable.all() == []
        with pytest.raises(ProgrammingError, match="only ever added to"):
            await session.execute(text("UPDATE audit_entries SET action = 'nothing'"))
    await engine.dispose()


async def test_a_server_with_an_account_takes_none_in(
    database_url: str, settings: Settings, owner: Person, client: httpx.AsyncClient
) -> None:
    lines = await exported_lines(owner.client)

    with pytest.raises(ImportRefused, match="has an account"):
        await take_in(database_url, lines, seal_of(settings))


async def test_sealed_rows_open_only_under_the_secret_that_closed_them(
    postgres: str, settings: Settings, furnished: Person
) -> None:
    lines = await exported_lines(furnished.client)

    with pytest.raises(ImportRefused, match="SPECTRAL_PREVIOUS_SECRET_KEYS"):
        await take_in(clone(postgres), lines, Seal(["another server's secret"], context="export"))


async def test_exports_that_nobody_reads_hold_up_nobody_else(app: FastAPI, owner: Person) -> None:
    async def unread() -> AsyncGenerator[bytes]:
        yield b"x"

    request = Request({"type": "http", "app": app})
    begun = [await stream(request, unread()) for _ in range(STREAMS_AT_ONCE)]
    for path in ("export", "audit-log/export"):
        refused = await owner.client.get(f"/api/v1/account/{path}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert (await owner.client.get("/api/v1/account")).status_code == 200
    assert (await owner.client.get("/api/v1/account/audit-log", params={"action": "account.exported"})).json()["results"] == []

    await begun.pop().body_iterator.aclose()  # type: ignore[attr-defined] # a generator
    assert (await owner.client.get("/api/v1/account/export")).status_code == 200
    assert app.state.streams.total() == STREAMS_AT_ONCE - 1


async def test_only_those_who_administer_the_account_export_it(client: httpx.AsyncClient, owner: Person) -> None:
    key = owner.bearing(await owner.key("read:workspace", "write:workspace"))

    assert (await client.get("/api/v1/account/export", headers=key)).status_code == 403
    actions = (await owner.client.get("/api/v1/account/audit-log", params={"action": "account.exported"})).json()
    assert actions["results"] == []
    await exported_lines(owner.client)
    actions = (await owner.client.get("/api/v1/account/audit-log", params={"action": "account.exported"})).json()
    assert len(actions["results"]) == 1


async def test_a_second_person_may_register_after_an_import(postgres: str, settings: Settings, owner: Person) -> None:
    elsewhere = clone(postgres)
    await take_in(elsewhere, await exported_lines(owner.client), seal_of(settings))
    imported = Database(elsewhere)
    transport = httpx.ASGITransport(app=create_app(settings, imported))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        newcomer = await register(client)
        assert newcomer.account_id != owner.account_id
        await newcomer.client.aclose()
    await imported.close()


async def test_an_operator_takes_a_file_in_at_the_console(postgres: str, settings: Settings, owner: Person) -> None:
    file = settings.data_dir / "account.ndjson"
    file.write_bytes(b"".join(await exported_lines(owner.client)))
    environment = {"SPECTRAL_DATABASE_URL": clone(postgres), "SPECTRAL_DATA_DIR": str(settings.data_dir)}

    first, second = [await asyncio.to_thread(spectral, "import", str(file), **environment) for _ in range(2)]

    assert first.returncode == 0, first.stderr
    assert str(owner.account_id) in first.stdout
    assert second.returncode == 1
    assert "has an account already" in second.stderr
