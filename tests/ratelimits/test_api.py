"""Rate limits: shared by processes, told in headers, refused with 429."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from spectral_api.app import create_app
from spectral_api.problems import MEDIA_TYPE
from spectral_api.ratelimits import UNLIMITED, origin
from spectral_platform.core.database import Database, connection_string
from spectral_platform.core.settings import Settings
from spectral_platform.ratelimits import limiter
from tests.contract.documents import documented_operations
from tests.fixtures.callers import PASSWORD, Person, register

Process = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def process(database_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    """Another process of a server over the test's database, with limits: all have the same secret."""
    async with AsyncExitStack() as stack:

        async def start(**limits: int) -> httpx.AsyncClient:
            settings = Settings(database_url=database_url, data_dir=tmp_path, workers=0, **limits)  # type: ignore[arg-type] # numbers
            app = create_app(settings, Database(database_url))
            stack.push_async_callback(app.state.database.close)
            stack.push_async_callback(app.state.limiter.close)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            return await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://testserver"))

        yield start


def as_person(person: Person) -> dict[str, str]:
    return dict(person.client.headers) | {"content-type": "application/json"}


def standing(answer: httpx.Response) -> tuple[str, int, int]:
    """The policy's name, what remains and when the window ends, as the headers tell."""
    name, remaining, seconds = answer.headers["ratelimit"].split(";")
    return name.strip('"'), int(remaining.removeprefix("r=")), int(seconds.removeprefix("t="))


async def test_every_answer_tells_where_its_caller_stands(owner: Person, process: Process) -> None:
    client = await process(requests_per_minute=10)

    for number, (path, status) in enumerate([("/keys", 200), ("/keys?limit=0", 422), (f"/agents/{uuid4()}", 404)], start=1):
        answer = await client.get(owner.w + path, headers=as_person(owner))
        assert answer.status_code == status
        assert answer.headers["ratelimit-policy"] == '"default";q=10;w=60'
        name, remaining, seconds = standing(answer)
        assert (name, remaining) == ("default", 10 - number)
        assert 1 <= seconds <= 60


async def test_one_more_than_the_quota_is_refused_in_whatever_process(owner: Person, process: Process) -> None:
    processes = [await process(requests_per_minute=6) for _ in range(2)]
    answers = await asyncio.gather(
        *(processes[number % 2].get(f"{owner.w}/keys", headers=as_person(owner)) for number in range(20))
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 6 + [429] * 14
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["content-type"] == MEDIA_TYPE
    assert refused.json()["type"].endswith("/rate-limited")
    assert standing(refused)[:2] == ("default", 0)
    assert int(refused.headers["retry-after"]) == standing(refused)[2]


async def test_processes_never_hand_out_more_than_a_large_quota(owner: Person, process: Process) -> None:
    processes = [await process(requests_per_minute=300) for _ in range(2)]
    statuses: list[int] = []
    for _ in range(8):
        answers = await asyncio.gather(
            *(processes[number % 2].get(f"{owner.w}/keys?limit=0", headers=as_person(owner)) for number in range(50))
        )
        statuses += [answer.status_code for answer in answers]

    assert statuses.count(422) == 300
    assert statuses.count(429) == 100


async def test_callers_do_not_use_up_each_others_requests(owner: Person, stranger: Person, process: Process) -> None:
    client = await process(requests_per_minute=2)
    key = {"Authorization": f"Bearer {await owner.key('read:workspace')}"}
    for headers, person in ((as_person(owner), owner), (as_person(stranger), stranger), (key, owner)):
        answers = [await client.get(f"{person.w}/traces", headers=headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_ingestion_has_a_quota_of_its_own(owner: Person, process: Process) -> None:
    client = await process(requests_per_minute=1, ingestion_requests_per_minute=2)
    body: Any = {"traces": [{"agent": "a", "input": "Hello", "output": "Hello"}]}
    answers = [await client.post(f"{owner.w}/traces", json=body, headers=as_person(owner)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert standing(answers[0])[:2] == ("ingestion", 1)
    assert (await client.get(f"{owner.w}/traces", headers=as_person(owner))).status_code == 200


async def test_an_address_has_a_quota_for_what_is_public(process: Process) -> None:
    client = await process(public_requests_per_minute=3)
    person = await register(client)
    answers = [await client.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD}) for _ in range(3)]
    await person.client.aclose()

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert standing(answers[0])[:2] == ("public", 1)
    assert "ratelimit" not in (await client.get("/api/v1/health")).headers


@pytest.mark.own_database
async def test_who_guesses_credentials_is_held_off(owner: Person, process: Process) -> None:
    client = await process(public_requests_per_minute=2)
    guesses = [await client.get(f"{owner.w}/keys", headers=owner.bearing(f"sk_live_{number}")) for number in range(3)]

    assert [answer.status_code for answer in guesses] == [401, 401, 429]
    assert (await client.get(f"{owner.w}/keys", headers=as_person(owner))).status_code == 200


@pytest.mark.own_database
async def test_who_guesses_workspaces_is_held_off(owner: Person, stranger: Person, process: Process) -> None:
    client = await process(public_requests_per_minute=2)
    guesses = [await client.get(f"{owner.w}/keys", headers=as_person(stranger)) for _ in range(3)]

    assert [answer.status_code for answer in guesses] == [404, 404, 429]


@pytest.mark.parametrize(
    ("host", "whom"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9%eth0", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_a_network_of_one_customer_is_one_sender(host: str, whom: str) -> None:
    assert origin(host) == whom


async def test_a_process_remembers_so_many_buckets_and_forgets_no_count(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limiter, "MOST_BUCKETS", 2)
    counting = limiter.Limiter(database_url, Settings(database_url=database_url, data_dir=tmp_path))
    policy, whom = limiter.Policy(f"test-{uuid4().hex}", 3), ("a", "b", "c", "d")

    allowed = [(await counting.count(policy, each)).is_allowed for _ in range(5) for each in whom]

    assert allowed == [True] * 12 + [False] * 8
    assert len(counting._shares) == 2
    await counting.close()


async def test_a_quota_comes_back_with_the_next_window(owner: Person, process: Process, database_url: str) -> None:
    for _ in range(2):
        client = await process(requests_per_minute=1)
        answers = [await client.get(f"{owner.w}/keys", headers=as_person(owner)) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        with psycopg.connect(connection_string(database_url), autocommit=True) as superuser:
            superuser.execute("UPDATE rate_windows SET ends_at = ends_at - interval '1 minute'")


async def test_nothing_is_counted_where_limits_are_off(owner: Person) -> None:
    assert "ratelimit" not in (await owner.client.get(f"{owner.w}/keys")).headers


def test_what_is_unlimited_is_a_list_that_may_only_shrink() -> None:
    limited = {each["operationId"] for _, _, each in documented_operations() if "429" in each["responses"]}

    assert set(UNLIMITED) == {"get_health", "get_public_keys"}
    assert {each["operationId"] for _, _, each in documented_operations()} - limited == set(UNLIMITED)
