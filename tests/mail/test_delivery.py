"""Mail from a transaction to an SMTP server, by way of the queue."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from sqlalchemy import text
from structlog.testing import capture_logs

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Environment, Settings
from spectral_platform.mail.commands import send_mail
from spectral_platform.mail.errors import MailUnconfigured
from spectral_platform.worker.runner import run_worker
from tests.fixtures.mail import SENDER, MailServer, listening, text_of
from tests.fixtures.worker import Drain

pytestmark = pytest.mark.own_database
SOMEBODY = "anna@example.com"
WORDS = "Grüße, and a secret: in_abc"


@pytest.fixture
def settings(settings: Settings, mail_server: MailServer) -> Settings:
    return mail_server.settings(settings)


async def write(database: Database, settings: Settings, **options: Any) -> None:
    """Send a letter in a transaction."""
    async with database.transaction() as session:
        await send_mail(session, settings, account_id=clock.new_id(), to=SOMEBODY, subject="Hello", text=WORDS, **options)


async def orders(database: Database) -> list[dict[str, Any]]:
    """What waits in the queue."""
    async with database.transaction() as session:
        rows = await session.execute(
            text("SELECT args::text AS args, scheduled_at FROM procrastinate_jobs WHERE status = 'todo'")
        )
        return [dict(row) for row in rows.mappings()]


async def make_due(database: Database) -> None:
    """Let the time of every waiting order have come."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))


async def test_a_letter_arrives_as_it_was_written(
    database: Database, settings: Settings, mail_server: MailServer, work: Drain
) -> None:
    await write(database, settings)
    await work()

    [letter] = mail_server.letters
    assert (letter["From"], letter["To"], letter["Subject"]) == (SENDER, SOMEBODY, "Hello")
    assert text_of(letter).strip() == WORDS
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"].endswith("@example.org>")
    assert abs(parsedate_to_datetime(letter["Date"]) - clock.now()) < timedelta(minutes=5)
    assert await orders(database) == []


async def test_the_queue_shows_neither_words_nor_recipient(database: Database, settings: Settings) -> None:
    await write(database, settings)

    [order] = await orders(database)
    for secret in ("in_abc", "anna", "Hello"):
        assert secret not in order["args"]


async def test_a_letter_is_sent_only_if_its_transaction_commits(
    database: Database, settings: Settings, mail_server: MailServer, work: Drain
) -> None:
    async with database.transaction() as session:
        await send_mail(session, settings, account_id=clock.new_id(), to=SOMEBODY, subject="Hello", text=WORDS)
        await session.rollback()
    await work()

    assert mail_server.letters == []


async def test_a_subject_cannot_bring_headers_of_its_own(
    database: Database, settings: Settings, mail_server: MailServer, work: Drain
) -> None:
    async with database.transaction() as session:
        subject = "Hello\r\nBcc: everybody@example.com"
        await send_mail(session, settings, account_id=clock.new_id(), to=SOMEBODY, subject=subject, text=WORDS)
    await work()

    [letter] = mail_server.letters
    assert letter["Bcc"] is None
    assert letter["Subject"] == "Hello Bcc: everybody@example.com"


async def test_a_server_that_is_busy_is_asked_again_later(
    database: Database, settings: Settings, mail_server: MailServer, work: Drain
) -> None:
    mail_server.reply = lambda _: "451 come back later"
    await write(database, settings)
    await work()
    [waiting] = await orders(database)
    assert waiting["scheduled_at"] > clock.now()

    mail_server.reply = lambda _: None
    await make_due(database)
    await work()

    assert len(mail_server.letters) == 1
    assert await orders(database) == []


async def test_a_server_that_is_away_is_asked_again_later(
    database: Database, settings: Settings, mail_server: MailServer, work: Drain
) -> None:
    await write(database, settings)
    nobody_listens = settings.model_copy(update={"smtp_port": 9})
    mail_server.reply = lambda _: pytest.fail("this server was not asked")
    await run(nobody_listens)

    assert len(await orders(database)) == 1


async def run(settings: Settings) -> None:
    """Carry out every waiting job under other settings."""
    assert settings.database_url is not None
    await run_worker(settings, settings.database_url, until_idle=True)


async def test_each_wait_is_longer_until_the_letter_is_of_no_more_use(
    database: Database, settings: Settings, mail_server: MailServer, work: Drain
) -> None:
    mail_server.reply = lambda _: "451 come back later"
    await write(database, settings, useful_until=clock.now() + timedelta(minutes=10))
    waits: list[timedelta] = []
    while True:
        await work()
        waiting = await orders(database)
        if not waiting:
            break
        waits.append(waiting[0]["scheduled_at"] - clock.now())
        await make_due(database)

    assert len(waits) == 3
    assert waits == sorted(waits)
    assert timedelta(minutes=3) < waits[-1] < timedelta(minutes=10)


async def test_a_refusal_for_good_is_not_tried_again_and_names_nobody_in_the_log(
    database: Database, settings: Settings, mail_server: MailServer, work: Drain
) -> None:
    mail_server.reply = lambda address: f"550 no {address} here"
    await write(database, settings)
    with capture_logs() as logged:
        await work()

    assert await orders(database) == []
    assert [entry["code"] for entry in logged if entry["event"] == "mail_refused"] == [550]
    assert SOMEBODY not in str(logged)


async def test_without_smtp_a_development_server_writes_the_letter_to_its_log(database: Database, settings: Settings) -> None:
    unconfigured = settings.model_copy(update={"smtp_host": None})
    await write(database, unconfigured)
    with capture_logs() as logged:
        await run(unconfigured)

    [entry] = [entry for entry in logged if entry["event"] == "mail_not_sent"]
    assert (entry["to"], entry["text"]) == (SOMEBODY, WORDS)


async def test_without_smtp_a_production_server_refuses_to_promise_mail(database: Database, settings: Settings) -> None:
    unconfigured = settings.model_copy(update={"smtp_host": None, "environment": Environment.PRODUCTION})

    with pytest.raises(MailUnconfigured, match="SPECTRAL_SMTP_HOST"):
        await write(database, unconfigured)

    assert await orders(database) == []


async def test_a_letter_that_a_production_server_can_no_longer_send_is_in_no_log(database: Database, settings: Settings) -> None:
    await write(database, settings)
    with capture_logs() as logged:
        await run(settings.model_copy(update={"smtp_host": None, "environment": Environment.PRODUCTION}))

    assert "mail_given_up" in [entry["event"] for entry in logged]
    assert SOMEBODY not in str(logged)
    assert WORDS not in str(logged)


def test_a_server_without_a_sender_is_misconfigured() -> None:
    with pytest.raises(ValidationError, match="SPECTRAL_MAIL_FROM"):
        Settings(smtp_host="localhost")


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 that signed itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_encryption_is_demanded_and_the_certificate_checked(
    is_trusted: bool, database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    kept = MailServer()
    server = await listening(kept, tls_context=context)
    await write(database, settings)

    await run(kept.settings(settings).model_copy(update={"smtp_tls": "starttls"}))

    server.close()
    assert kept.encrypted == ([True] if is_trusted else [])
    assert len(await orders(database)) == (0 if is_trusted else 1)


async def test_a_server_without_encryption_gets_no_letter_where_encryption_is_demanded(
    database: Database, settings: Settings, mail_server: MailServer
) -> None:
    await write(database, settings)

    await run(settings.model_copy(update={"smtp_tls": "starttls"}))

    assert mail_server.letters == []
    assert len(await orders(database)) == 1
