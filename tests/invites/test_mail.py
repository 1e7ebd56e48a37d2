"""Invites by mail, where the server can send it."""

import httpx
import pytest

from spectral_platform.core.settings import Settings
from tests.fixtures.callers import PASSWORD, Person
from tests.fixtures.mail import MailServer, text_of
from tests.fixtures.worker import Drain


@pytest.fixture
def settings(settings: Settings, mail_server: MailServer) -> Settings:
    return mail_server.settings(settings)


@pytest.mark.own_database
async def test_the_letter_of_an_invite_lets_its_reader_in_and_the_newest_letter_voids_the_others(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain
) -> None:
    email = "colleague@example.com"
    invited = (await owner.client.post("/api/v1/account/invites", json={"email": email})).json()
    await work()
    again = (await owner.client.post(f"/api/v1/account/invites/{invited['id']}/resend")).json()
    await work()

    first, second = (text_of(letter) for letter in mail_server.to(email))
    assert invited["token"] in first
    assert '"Test"' in first
    assert again["token"] in second
    body = {"email": email, "password": PASSWORD}
    voided = await client.post("/api/v1/auth/register", json={**body, "invite_token": invited["token"]})
    joined = await client.post("/api/v1/auth/register", json={**body, "invite_token": again["token"]})
    assert (voided.status_code, joined.status_code) == (400, 201)
