"""Who is told how a scan ended: letters and webhooks of its request, once, and nobody who may not know."""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.access import WorkspaceRole
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import JobContext
from spectral_platform.core.settings import Environment, Settings
from spectral_platform.scans.notices.jobs import tell_of_scan
from spectral_platform.scans.notices.work import TellOfScan
from tests.fixtures.callers import Person, joined
from tests.fixtures.mail import MailServer, text_of
from tests.fixtures.worker import Drain
from tests.scans.workspaces import Scannable, make_scannable

Json = dict[str, Any]


@pytest.fixture
def settings(database_url: str, tmp_path: Path, mail_server: MailServer) -> Settings:
    """A server that sends mail, and whose webhooks may lead to one local address."""
    own = Settings(
        database_url=database_url, data_dir=tmp_path, workers=0, outbound_allowed_networks=(IPv4Network("127.0.0.1/32"),)
    )
    return mail_server.settings(own)


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable(owner, database, samples=0)


async def webhook(owner: Person, **body: Any) -> str:
    made = await owner.client.post(f"{owner.w}/webhooks", json={"url": "http://127.0.0.1:9/hook"} | body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def deliveries(owner: Person, webhook_id: str) -> list[Json]:
    found: list[Json] = (await owner.client.get(f"{owner.w}/webhooks/{webhook_id}/deliveries")).json()["results"]
    return found


async def test_letters_and_webhooks_tell_how_a_scan_ended(
    scannable: Scannable, work: Drain, mail_server: MailServer, client: httpx.AsyncClient, database: Database
) -> None:
    owner = scannable.owner
    observer = await joined(client, database, owner, workspace_role=WorkspaceRole.OBSERVER)
    subscribed, deaf, off = (
        await webhook(owner, events=["scan.completed"]),
        await webhook(owner, events=["judge.drifted"]),
        await webhook(owner, enabled=False),
    )
    notify = {"emails": [owner.email, observer.email.upper()], "webhook_ids": [subscribed, deaf, off]}
    started = await scannable.start(notify=notify)
    assert started["settings"]["notify"]["on"] == [
        *["improve", "rejected_tradeoff", "validated_no_change", "insufficient_evidence", "failed"]
    ]

    await work()

    for address in (owner.email, observer.email):
        (letter,) = mail_server.to(address)
        assert letter["Subject"] == "Scan of support-agent: not enough evidence"
        assert f"/scans/{started['id']}/report" in text_of(letter)
        assert "simulator" in text_of(letter)
    told = [[each["event"] for each in await deliveries(owner, each)] for each in (subscribed, deaf, off)]
    assert told == [["scan.completed"], ["scan.completed"], []]


@pytest.mark.parametrize(("on", "letters"), [(["failed", "improve"], 0), (["cancelled"], 1), (None, 0)])
async def test_only_the_endings_that_were_asked_for_are_told(
    on: list[str] | None, letters: int, scannable: Scannable, work: Drain, mail_server: MailServer
) -> None:
    owner = scannable.owner
    notify = {"emails": [owner.email]} | ({"on": on} if on else {})
    started = await scannable.start(notify=notify)

    await owner.client.post(f"{owner.w}/scans/{started['id']}/cancel")
    await work()

    assert len(mail_server.to(owner.email)) == letters


async def test_who_has_left_is_told_nothing_and_stops_nobody(
    scannable: Scannable, work: Drain, mail_server: MailServer, client: httpx.AsyncClient, database: Database
) -> None:
    owner = scannable.owner
    member = await joined(client, database, owner, workspace_role=WorkspaceRole.CONTRIBUTOR)
    gone = await webhook(owner)
    defaults = {"notify": {"emails": [member.email, owner.email], "webhook_ids": [gone], "on": ["cancelled"]}}
    changed = await owner.client.patch(owner.w, json={"scan_defaults": defaults})
    assert changed.status_code == 200, changed.text
    await owner.client.delete(f"{owner.w}/members/{member.user_id}")
    await owner.client.delete(f"{owner.w}/webhooks/{gone}")

    started = await scannable.start()
    await owner.client.post(f"{owner.w}/scans/{started['id']}/cancel")
    await work()

    assert (len(mail_server.to(owner.email)), mail_server.to(member.email)) == (1, [])


async def test_news_that_come_twice_are_told_once(
    scannable: Scannable, work: Drain, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    owner = scannable.owner
    hook = await webhook(owner, events=["judge.drifted"])
    started = await scannable.start(notify={"emails": [owner.email], "webhook_ids": [hook], "on": ["cancelled"]})
    await owner.client.post(f"{owner.w}/scans/{started['id']}/cancel")
    order = TellOfScan(
        account_id=owner.account_id,
        workspace_id=owner.workspace_id,
        event="scan.cancelled",
        news_id=uuid4(),
        happened_at=clock.now(),
        facts={"scan_id": started["id"]},
    )

    for _ in range(2):
        await tell_of_scan(JobContext(database=database, settings=settings), order)
    await work()

    assert len(mail_server.to(owner.email)) == len(await deliveries(owner, hook)) == 1


async def test_nobody_else_can_be_told(
    scannable: Scannable, stranger: Person, client: httpx.AsyncClient, database: Database
) -> None:
    owner = scannable.owner
    outsider = await joined(client, database, owner)
    foreign = await webhook(stranger)
    for notify in (
        {"emails": [stranger.email]},
        {"emails": [outsider.email]},
        {"emails": [f"{uuid4().hex}@example.com"]},
        {"webhook_ids": [foreign]},
    ):
        for path, body in (("scans", {"notify": notify}), ("scans/quote", {"notify": notify})):
            answer = await owner.client.post(f"{owner.w}/{path}", json=body)
            assert (answer.status_code, answer.json().get("missing")) == (400, ["notify"]), answer.text
        defaults = await owner.client.patch(owner.w, json={"scan_defaults": {"notify": notify}})
        assert (defaults.status_code, defaults.json()["missing"]) == (400, ["notify"])


async def test_where_letters_go_nowhere_that_is_said_at_once(
    scannable: Scannable, app: Any, database: Database, settings: Settings
) -> None:
    owner = scannable.owner
    app.state.settings = settings.model_copy(update={"smtp_host": None, "environment": Environment.PRODUCTION})

    answer = await owner.client.post(f"{owner.w}/scans", json={"notify": {"emails": [owner.email]}})

    assert answer.status_code == 400
    assert "SMTP" in answer.json()["detail"]
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        assert await session.scalar(text("SELECT count(*) FROM scans")) == 0
