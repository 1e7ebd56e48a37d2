"""Who fails too often waits, longer each time, whether or not the email address exists."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from spectral_api.app import create_app
from spectral_platform.auth.lockout.models import FailedAttempts
from spectral_platform.auth.lockout.subjects import ADDRESSES, LETTERS, LONGEST_WAIT, PASSWORDS, Rule, network_of
from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from tests.fixtures.callers import PASSWORD, Person, register

LOGIN, RESET, CHANGE = "/api/v1/auth/login", "/api/v1/auth/reset-password", "/api/v1/auth/change-password"
TOLERATED = PASSWORDS.tolerated


@asynccontextmanager
async def client_at(app: FastAPI, ip: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests come from an address."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(ip, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
        yield opened


async def log_in(client: httpx.AsyncClient, email: str, password: str = "wrong") -> httpx.Response:
    return await client.post(LOGIN, json={"email": email, "password": password})


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moment = clock.now()
        monkeypatch.setattr(clock, "now", self.read)

    def read(self) -> datetime:
        return self.moment

    def on(self, by: timedelta) -> None:
        self.moment += by


@pytest.fixture(autouse=True)
def turn(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of all tests here: a slow machine must not make a wait seem over."""
    return Clock(monkeypatch)


async def test_after_a_few_failures_even_the_right_password_has_to_wait(client: httpx.AsyncClient, owner: Person) -> None:
    failed = [await log_in(client, owner.email) for _ in range(TOLERATED + 1)]
    answer = await log_in(client, owner.email, PASSWORD)

    assert statuses(failed) == (TOLERATED + 1) * [401]
    assert answer.status_code == 429
    assert answer.json()["type"].endswith("/rate-limited")
    assert answer.headers["retry-after"] == "2"


async def test_an_unknown_email_is_treated_as_one_that_exists(client: httpx.AsyncClient, owner: Person, turn: Clock) -> None:
    async def told(email: str) -> list[tuple[int, str | None, str]]:
        answers = [await log_in(client, email) for _ in range(TOLERATED + 3)]
        return [(each.status_code, each.headers.get("retry-after"), each.json()["detail"]) for each in answers]

    assert await told(owner.email) == await told(f"{uuid4().hex}@example.com")


async def test_the_wait_doubles_up_to_a_quarter_of_an_hour(client: httpx.AsyncClient, owner: Person, turn: Clock) -> None:
    for _ in range(TOLERATED):
        await log_in(client, owner.email)
    waits = []
    for _ in range(12):
        assert (await log_in(client, owner.email)).status_code == 401
        refused = await log_in(client, owner.email)
        waits.append(int(refused.headers["retry-after"]))
        turn.on(timedelta(seconds=waits[-1]))

    assert waits[:9] == [2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert waits[9:] == 3 * [LONGEST_WAIT.total_seconds()]


async def test_the_right_password_makes_failures_forgotten(client: httpx.AsyncClient, owner: Person) -> None:
    for _ in range(2):
        failed = [await log_in(client, owner.email) for _ in range(TOLERATED)]
        assert statuses(failed) == TOLERATED * [401]
        assert (await log_in(client, owner.email, PASSWORD)).status_code == 200


async def test_failures_are_forgotten_after_a_day(client: httpx.AsyncClient, owner: Person, turn: Clock) -> None:
    for _ in range(TOLERATED + 1):
        await log_in(client, owner.email)
    turn.on(PASSWORDS.forgotten_after + timedelta(minutes=1))

    again = [await log_in(client, owner.email) for _ in range(TOLERATED)]

    assert statuses(again) == TOLERATED * [401]


async def test_the_case_of_an_email_makes_no_other_person(client: httpx.AsyncClient, owner: Person) -> None:
    for _ in range(TOLERATED + 1):
        await log_in(client, owner.email.upper())

    assert (await log_in(client, owner.email, PASSWORD)).status_code == 429


async def test_another_way_to_write_a_letter_makes_no_other_person(client: httpx.AsyncClient) -> None:
    """Of the dotted capital I, Postgres makes one letter and Python two."""
    name = f"{uuid4().hex[:8]}@example.com"
    body = {"email": f"İnci{name}", "password": PASSWORD, "tenant_name": "Test"}
    assert (await client.post("/api/v1/auth/register", json=body)).status_code == 201

    for spelling in (f"İnci{name}", f"inci{name}", f"INCI{name}"):
        assert (await log_in(client, spelling, PASSWORD)).status_code == 200
    for spelling in (f"İnci{name}", f"i\u0307nci{name}", f"inci{name}"):
        await log_in(client, spelling)
        await log_in(client, spelling)

    assert (await log_in(client, f"İnci{name}", PASSWORD)).status_code == 429


async def test_of_twenty_guesses_at_once_no_more_are_answered_than_one_by_one(client: httpx.AsyncClient, owner: Person) -> None:
    answers = await asyncio.gather(*(log_in(client, owner.email, f"guess {number}") for number in range(20)))

    assert sorted(statuses(list(answers))) == (TOLERATED + 1) * [401] + (19 - TOLERATED) * [429]


async def test_twenty_who_know_the_password_all_come_in(client: httpx.AsyncClient, owner: Person) -> None:
    answers = await asyncio.gather(*(log_in(client, owner.email, PASSWORD) for _ in range(20)))

    assert statuses(list(answers)) == 20 * [200]


async def test_another_process_knows_of_the_failures(
    client: httpx.AsyncClient, owner: Person, settings: Settings, database_url: str
) -> None:
    for _ in range(TOLERATED + 1):
        await log_in(client, owner.email)
    elsewhere = Database(database_url)
    transport = httpx.ASGITransport(app=create_app(settings, elsewhere))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as other:
        answer = await log_in(other, owner.email, PASSWORD)
    await elsewhere.close()

    assert answer.status_code == 429


async def test_somebody_who_is_locked_out_keeps_the_sessions_they_have(client: httpx.AsyncClient, owner: Person) -> None:
    for _ in range(TOLERATED + 1):
        await log_in(client, owner.email)

    body = {"refresh_token": owner.tokens["refresh_token"]}
    assert (await owner.client.get("/api/v1/auth/me")).status_code == 200
    assert (await client.post("/api/v1/auth/refresh", json=body)).status_code == 200


async def test_the_current_password_cannot_be_guessed_with_a_stolen_session(owner: Person) -> None:
    answers = [
        await owner.client.post(CHANGE, json={"current_password": f"guess {number}", "new_password": "a new password"})
        for number in range(TOLERATED + 2)
    ]

    assert statuses(answers) == (TOLERATED + 1) * [401] + [429]


async def test_nobody_can_be_buried_in_letters(client: httpx.AsyncClient, owner: Person) -> None:
    for email in (owner.email, f"{uuid4().hex}@example.com"):
        answers = [await client.post(RESET, json={"email": email}) for _ in range(LETTERS.tolerated + 2)]
        assert statuses(answers) == (LETTERS.tolerated + 1) * [202] + [429]
        assert int(answers[-1].headers["retry-after"]) > 30


async def test_an_address_that_tries_many_people_is_held_up(app: FastAPI, client: httpx.AsyncClient, owner: Person) -> None:
    async with client_at(app, "203.0.113.7") as sprayer:
        for number in range(ADDRESSES.tolerated + 1):
            assert (await log_in(sprayer, f"{number}-{uuid4().hex}@example.com")).status_code == 401
        assert (await log_in(sprayer, owner.email, PASSWORD)).status_code == 429

    assert (await log_in(client, owner.email, PASSWORD)).status_code == 200


async def test_an_account_of_ones_own_does_not_buy_an_address_more_guesses(app: FastAPI, owner: Person) -> None:
    async with client_at(app, "203.0.113.8") as sprayer:
        for number in range(ADDRESSES.tolerated + 1):
            await log_in(sprayer, f"{number}-{uuid4().hex}@example.com")
            if number < ADDRESSES.tolerated:
                assert (await log_in(sprayer, owner.email, PASSWORD)).status_code == 200
        assert (await log_in(sprayer, owner.email, PASSWORD)).status_code == 429


async def test_guessing_reset_tokens_is_held_up(app: FastAPI) -> None:
    async with client_at(app, "203.0.113.9") as guesser:
        body = {"token": "rp_guess", "new_password": "a new password"}
        answers = [await guesser.post(RESET, json=body) for _ in range(ADDRESSES.tolerated + 2)]

    assert statuses(answers) == (ADDRESSES.tolerated + 1) * [400] + [429]


async def test_a_header_that_claims_another_address_does_not_help(app: FastAPI) -> None:
    async with client_at(app, "203.0.113.10") as sprayer:
        for number in range(ADDRESSES.tolerated + 2):
            claim = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
            body = {"email": f"{uuid4().hex}@example.com", "password": "wrong"}
            answer = await sprayer.post(LOGIN, json=body, headers=claim)

    assert answer.status_code == 429


async def test_no_row_names_an_email_address_or_a_client_address(app: FastAPI, owner: Person, database: Database) -> None:
    async with client_at(app, "203.0.113.11") as somebody:
        await log_in(somebody, owner.email)
    async with database.transaction() as session:
        kept = (await session.scalars(select(FailedAttempts.subject))).all()

    assert kept
    assert all(len(subject) == 64 and set(subject) <= set("0123456789abcdef") for subject in kept)


@pytest.mark.own_database
async def test_rows_that_mean_nothing_any_more_are_deleted(client: httpx.AsyncClient, database: Database) -> None:
    for _ in range(3):
        await log_in(client, f"{uuid4().hex}@example.com")
    async with database.transaction() as session:
        await session.execute(update(FailedAttempts).values(forgotten_at=clock.now() - timedelta(seconds=1)))

    await log_in(client, "somebody@example.com")

    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(FailedAttempts)) == 1


@pytest.mark.own_database
async def test_registering_is_no_attempt(client: httpx.AsyncClient, database: Database) -> None:
    person = await register(client)
    await person.client.aclose()
    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(FailedAttempts)) == 0


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", None),
        ("::1", None),
        (None, None),
    ],
)
def test_one_client_is_an_ipv4_address_or_an_ipv6_network(ip: str | None, network: str | None) -> None:
    assert network_of(ip) == network


@pytest.mark.parametrize("rule", [PASSWORDS, LETTERS, ADDRESSES], ids=lambda rule: rule.name)
def test_no_wait_is_longer_than_the_longest(rule: Rule) -> None:
    waits = [rule.wait(failures) for failures in range(2_000)]

    assert waits[: rule.tolerated + 1] == (rule.tolerated + 1) * [timedelta()]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT
