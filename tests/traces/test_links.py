"""Feedback by a link: good without a credential, and for nothing but what it says."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.traces.links import FeedbackLink
from tests.fixtures.callers import Person
from tests.traces.factories import draft, new_trace_id, span_id, store

ORIGIN = {"Origin": "https://shop.example"}


async def linked(owner: Person, database: Database, **body: Any) -> tuple[str, str]:
    """A trace and a link to it."""
    trace_id = new_trace_id()
    await store(database, owner, [draft(trace_id, 1, input="Where is it?", output="On its way"), draft(trace_id, 2, 1)])
    made = await owner.client.post(f"{owner.w}/traces/{trace_id}/feedback-link", json=body)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == made.json()["url"]
    return trace_id, made.json()["url"]


async def test_of_one_link_the_last_word_counts(client: httpx.AsyncClient, owner: Person, database: Database) -> None:
    trace_id, url = await linked(owner, database, span_id=span_id(2))

    for label in ("negative", "positive"):
        given = await client.post(url, json={"label": label, "comment": label}, headers=ORIGIN)
        assert given.status_code == 200, given.text
        assert given.headers["access-control-allow-origin"] == "*"

    (kept,) = (await owner.client.get(f"{owner.w}/traces/{trace_id}/feedback")).json()["results"]
    assert (kept["source"], kept["label"], kept["comment"], kept["span_id"]) == ("user", "positive", "positive", span_id(2))
    assert (await owner.client.get(f"{owner.w}/traces/{trace_id}")).json()["feedback_score"] == 1
    seen = (await client.get(url)).json()
    assert seen["feedback"]["label"] == "positive"
    assert (seen["input"], seen["output"]) == (None, None)
    assert "authorization" not in client.headers


async def test_a_link_shows_the_trace_only_where_it_says_so(client: httpx.AsyncClient, owner: Person, database: Database) -> None:
    _, url = await linked(owner, database, shows_content=True)

    seen = (await client.get(url)).json()

    assert (seen["input"], seen["output"], seen["feedback"]) == ("Where is it?", "On its way", None)


async def test_pages_of_any_origin_may_ask_for_links_and_for_nothing_else(
    client: httpx.AsyncClient, owner: Person, database: Database
) -> None:
    _, url = await linked(owner, database)
    asking = ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    allowed = await client.options(url, headers=asking)
    elsewhere = await client.options(f"{owner.w}/traces", headers=asking)

    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in allowed.headers
    assert elsewhere.status_code == 405
    assert "access-control-allow-origin" not in elsewhere.headers
    too_large = await client.post(url, content=b'{"label": "' + b"x" * 300_000, headers={"Content-Type": "application/json"})
    assert (too_large.status_code, too_large.json()["limit_bytes"]) == (413, 200_000)


async def test_forged_expired_and_erased_links_are_not_found(
    client: httpx.AsyncClient, owner: Person, database: Database, settings: Settings
) -> None:
    _, url = await linked(owner, database, expires_in_hours=1)
    trace_id, erased = await linked(owner, database)
    assert (await owner.client.delete(f"{owner.w}/traces/{trace_id}")).status_code == 204
    place, token = url.rsplit("/", 1)
    access_token = owner.tokens["access_token"]
    bad = [f"{place}/{token[:-8]}{'A' * 8}", f"{place}/{access_token}", f"{place}/{uuid4().hex}"]

    async def answers(link: str) -> set[int]:
        return {(await client.get(link)).status_code, (await client.post(link, json={"score": 1})).status_code}

    assert await answers(erased) == {404}
    for each in bad:
        assert await answers(each) == {404}
    assert (await client.get(f"{owner.w}/traces", headers=owner.bearing(token))).status_code == 401
    assert (await client.get(url)).status_code == 200
    link, _ = FeedbackLink.read(settings.keyring, token)
    expired = link.sign(settings.keyring, lifetime=-timedelta(minutes=1))
    assert await answers(f"{place}/{expired}") == {404}
    await owner.client.delete(owner.w)
    assert await answers(url) == {404}
