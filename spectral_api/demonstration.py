"""The demo workspace as the server's start makes it: once, with credentials that can be told again."""

import json
import os
import secrets
from dataclasses import dataclass
from uuid import UUID

from spectral_platform.accounts.errors import EmailTaken
from spectral_platform.core import crypto
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.demo.commands import create_demo
from spectral_platform.demo.queries import find_demo

DEFAULT_EMAIL = "demo@spectral.dev"
CREDENTIALS_FILE = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """How to come in to the demo workspace; ``password`` is None where it was chosen earlier and is not known here."""

    email: str
    password: str | None
    workspace_id: UUID
    agent_id: UUID


async def ensure_demo(settings: Settings, url: str) -> DemoAccess:
    """Make the demo workspace unless it is there. Several servers may try at once."""
    email = settings.demo_email or DEFAULT_EMAIL
    database = Database(url)
    try:
        async with database.transaction() as session:
            found = await find_demo(session, email=email)
        if found is None:
            password = _chosen_password(settings) or secrets.token_urlsafe(12)
            password_hash = await crypto.hash_password(password)
            try:
                async with database.transaction() as session:
                    found = await create_demo(session, settings, email=email, password_hash=password_hash)
                    _remember(settings, email, password)  # before the demo is there for good, else nobody might ever know it
            except EmailTaken:
                async with database.transaction() as session:
                    found = await find_demo(session, email=email)
                if found is None:
                    raise
        return DemoAccess(email, _known_password(settings, email), found.workspace_id, found.agent_id)
    finally:
        await database.close()


def _chosen_password(settings: Settings) -> str | None:
    return settings.demo_password.get_secret_value() if settings.demo_password else None


def _remember(settings: Settings, email: str, password: str) -> None:
    """Keep a generated password beside the embedded database, readable by the server's user alone."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = settings.data_dir / CREDENTIALS_FILE
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"email": email, "password": password}, file)


def _known_password(settings: Settings, email: str) -> str | None:
    try:
        kept = json.loads((settings.data_dir / CREDENTIALS_FILE).read_text())
    except FileNotFoundError:
        return _chosen_password(settings)
    return kept["password"] if kept["email"] == email else _chosen_password(settings)
