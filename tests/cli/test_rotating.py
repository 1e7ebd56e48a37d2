"""Changing the server's secret: what was sealed under the old one is readable under the new one alone."""

import asyncio
import json
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text

from spectral_platform.core.database import APPLICATION_ROLE, Database
from spectral_platform.core.sealed_columns import sealed_columns
from spectral_platform.core.sealing import SealBroken
from spectral_platform.core.settings import Settings
from spectral_platform.mail.commands import send_mail
from spectral_platform.mail.letter import Letter
from spectral_platform.tables import metadata
from tests.agents.factories import config, create_agent
from tests.cli.processes import spectral
from tests.fixtures.callers import Person
from tests.fixtures.database import run_sql

pytestmark = pytest.mark.own_database

OLD, NEW = "old" * 12, "new" * 12
SEALED_TEXT = """
    SELECT count(*) FROM {table}, jsonb_each_text(to_jsonb({table})) AS field
    WHERE field.key = %s AND field.value LIKE '%%gAAAA%%'
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return under(OLD, settings)


def under(secret: str, settings: Settings) -> Settings:
    """The settings of a server that knows this secret alone."""
    return Settings(database_url=settings.database_url, data_dir=settings.data_dir, workers=0, secret_key=SecretStr(secret))


def rotate(database_url: str, **environment: str) -> tuple[int, str]:
    """Run the command over the database: its status, and all that it says."""
    ended = spectral("rotate-secrets", SPECTRAL_DATABASE_URL=database_url, **environment)
    return ended.returncode, ended.stdout + ended.stderr


async def with_secrets(owner: Person, database: Database, settings: Settings) -> dict[str, str]:
    """A rotated webhook, an endpoint with headers, and a letter that waits: what must be readable later, by what it is."""
    created = (await owner.client.post(f"{owner.w}/webhooks", json={"url": "https://example.com/"})).json()
    path = f"{owner.w}/webhooks/{created['id']}/rotate-secret"
    rotated = (await owner.client.post(path, json={})).json()
    execution = {"kind": "http", "url": "https://example.com/", "headers_secret": {"Authorization": "Bearer of an agent"}}
    await create_agent(owner, config=config() | {"execution": execution})
    async with database.transaction() as session:
        await send_mail(session, settings, account_id=owner.account_id, to="a@example.com", subject="Hello", text="a letter")
    headers = '{"authorization":"Bearer of an agent"}'
    return {"previous_secret": created["secret"], "secret": rotated["secret"], "headers": headers, "letter": "a letter"}


def read(superuser: psycopg.Connection, settings: Settings, account_id: UUID) -> dict[str, str]:
    """What a server with these settings reads. Raises ``SealBroken``."""
    row = superuser.execute("SELECT previous_secret, secret FROM webhooks WHERE account_id = %s", [account_id]).fetchone()
    headers = superuser.execute("SELECT headers FROM endpoint_headers").fetchone()
    order = superuser.execute("SELECT args->'work'->>'letter' FROM procrastinate_jobs WHERE task_name = 'mail.send'").fetchone()
    assert row is not None
    assert headers is not None
    assert order is not None
    letter = Letter.model_validate_json(settings.seal.open(order[0]))
    return {
        "previous_secret": settings.seal.open(row[0]),
        "secret": settings.seal.open(row[1]),
        "headers": settings.seal.open(headers[0]),
        "letter": letter.text,
    }


async def test_after_the_rotation_the_old_secret_can_be_dropped(
    owner: Person, database: Database, settings: Settings, database_url: str, superuser: psycopg.Connection
) -> None:
    planted = await with_secrets(owner, database, settings)
    with pytest.raises(SealBroken):
        read(superuser, under(NEW, settings), owner.account_id)

    status, said = await asyncio.to_thread(
        rotate, database_url, SPECTRAL_SECRET_KEY=NEW, SPECTRAL_PREVIOUS_SECRET_KEYS=json.dumps([OLD])
    )

    assert (status, said) == (0, "4 secrets are sealed under SPECTRAL_SECRET_KEY.\n")
    assert read(superuser, under(NEW, settings), owner.account_id) == planted
    with pytest.raises(SealBroken):
        read(superuser, under(OLD, settings), owner.account_id)


async def test_every_tenants_secrets_are_renewed_and_what_nobody_can_open_is_told(
    owner: Person, stranger: Person, database: Database, settings: Settings, database_url: str, superuser: psycopg.Connection
) -> None:
    for person in (owner, stranger):
        await with_secrets(person, database, settings)

    status, said = await asyncio.to_thread(rotate, database_url, SPECTRAL_SECRET_KEY=NEW)
    assert status == 1
    assert said.count("webhooks.secret of ") == 2
    assert OLD not in said

    previous = json.dumps(["other" * 8, OLD])
    status, said = await asyncio.to_thread(rotate, database_url, SPECTRAL_SECRET_KEY=NEW, SPECTRAL_PREVIOUS_SECRET_KEYS=previous)
    assert (status, said.split()[0]) == (0, "8")


async def test_a_role_that_sees_one_tenant_at_a_time_is_refused(
    owner: Person, database: Database, settings: Settings, database_url: str
) -> None:
    await with_secrets(owner, database, settings)
    run_sql(database_url, f"ALTER ROLE {APPLICATION_ROLE} LOGIN")
    url = make_url(database_url).set(username=APPLICATION_ROLE).render_as_string(hide_password=False)

    status, said = await asyncio.to_thread(rotate, url, SPECTRAL_SECRET_KEY=NEW, SPECTRAL_PREVIOUS_SECRET_KEYS=json.dumps([OLD]))

    assert status == 1
    assert "row-level security" in said


async def test_what_lies_sealed_lies_in_columns_that_are_renewed(
    owner: Person, database: Database, settings: Settings, superuser: psycopg.Connection
) -> None:
    await with_secrets(owner, database, settings)
    known = {(column.table.name, column.name) for column in sealed_columns(metadata)}

    found = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if superuser.execute(SEALED_TEXT.format(table=table.name).encode(), [column.name]).fetchone() != (0,)
    }

    assert found == known == {("webhooks", "secret"), ("webhooks", "previous_secret"), ("endpoint_headers", "headers")}


async def test_a_secret_in_the_clear_cannot_be_put_into_a_sealed_column(owner: Person, database: Database) -> None:
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        statement = metadata.tables["webhooks"].update().values(secret="whsec_in_the_clear")
        with pytest.raises(Exception, match="has not been sealed"):
            await session.execute(statement)
        assert await session.scalar(text("SELECT count(*) FROM webhooks")) == 0
