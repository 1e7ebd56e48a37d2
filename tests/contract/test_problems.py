"""Errors: every one is a problem document, in the order and with the members that the contract says."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from spectral_api.problems import MEDIA_TYPE, STATUS_OF_FAMILY, TYPE_BASE, status_of
from spectral_platform.core.errors import SpectralError
from tests.contract.errors import all_errors, families
from tests.fixtures.callers import Person

MEMBERS = {"type", "title", "status", "detail", "instance", "request_id"}
JSON = {"Content-Type": "application/json"}


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The body of an answer that must be this problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    assert body.keys() >= MEMBERS
    assert body["type"] == TYPE_BASE + slug
    assert body["status"] == status
    assert body["instance"] == answer.request.url.path
    assert body["request_id"] == answer.headers["x-request-id"] != ""
    assert body["title"]
    assert body["detail"]
    return body


def locations(answer: httpx.Response) -> list[list[str | int]]:
    """Where the mistakes of a 422 are."""
    body = problem(answer, 422, "validation-error")
    assert all(mistake.keys() == {"location", "message", "type"} for mistake in body["errors"])
    return [mistake["location"] for mistake in body["errors"]]


async def test_an_unknown_route_is_not_found(client: httpx.AsyncClient) -> None:
    problem(await client.get("/api/v1/nothing/here"), 404, "not-found")
    problem(await client.get("/api/v1/health/"), 404, "not-found")


async def test_a_wrong_method_names_the_right_ones(client: httpx.AsyncClient) -> None:
    answer = await client.put("/api/v1/auth/login", json={})

    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


async def test_a_path_with_several_methods_names_all_of_them(owner: Person) -> None:
    answer = await owner.client.put(f"{owner.w}/keys", json={})

    problem(answer, 405, "method-not-allowed")
    assert {method.strip() for method in answer.headers["allow"].split(",")} == {"GET", "POST"}


async def test_head_answers_as_get_without_content(client: httpx.AsyncClient, owner: Person) -> None:
    for path in ("/api/v1/health", f"{owner.w}/keys", f"{owner.w}/nothing"):
        shown, told = await owner.client.get(path), await owner.client.head(path)
        assert told.status_code == shown.status_code
        assert told.content == b""
        assert told.headers["content-length"] == shown.headers["content-length"]
        assert told.headers["content-type"] == shown.headers["content-type"]
    problem_free = await client.head(f"{owner.w}/keys")
    assert (problem_free.status_code, problem_free.content) == (401, b"")


@pytest.mark.parametrize(
    "content",
    [b"{", b"", b"\xff\xfe", b'{"name": "x"}}', b"[" * 100_000, b'{"name": "\xc3"}'],
    ids=["cut off", "empty", "not UTF-8", "too much", "nested too deeply", "broken UTF-8"],
)
async def test_a_body_that_is_not_json_is_invalid_and_strangers_learn_nothing(
    content: bytes, client: httpx.AsyncClient, owner: Person
) -> None:
    answer = await owner.client.post(f"{owner.w}/keys", content=content, headers=JSON)
    as_nobody = await client.post(f"{owner.w}/keys", content=content, headers=JSON)

    assert all(location[0] == "body" for location in locations(answer))
    problem(as_nobody, 401, "unauthenticated")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
async def test_a_body_of_another_content_type_is_invalid(kind: str, owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/keys", content=b'{"name": "CI"}', headers={"Content-Type": kind})

    assert locations(answer) == [["body"]]


async def test_an_unknown_body_field_is_invalid(owner: Person) -> None:
    assert locations(await owner.client.post(f"{owner.w}/keys", json={"name": "CI", "nmae": "CI"})) == [["body", "nmae"]]


async def test_every_mistake_is_listed(owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/keys", json={"scopes": ["nonsense"], "expires_at": "soon"})

    assert locations(answer) == [["body", "name"], ["body", "scopes", 0], ["body", "expires_at"]]


async def test_what_was_sent_is_not_echoed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/login", json={"email": "nobody", "password": ["s3cret-value"]})

    locations(answer)
    assert "s3cret-value" not in answer.text


async def test_an_unknown_query_parameter_is_invalid(client: httpx.AsyncClient, owner: Person) -> None:
    assert locations(await owner.client.get(f"{owner.w}/keys?ofset=1")) == [["query", "ofset"]]
    problem(await client.get(f"{owner.w}/keys?ofset=1"), 401, "unauthenticated")


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "offset=-1"])
async def test_a_page_outside_its_bounds_is_invalid(query: str, owner: Person) -> None:
    assert locations(await owner.client.get(f"{owner.w}/keys?{query}")) == [["query", query.split("=")[0]]]


async def test_a_malformed_id_is_invalid_but_strangers_are_refused_first(client: httpx.AsyncClient, owner: Person) -> None:
    assert locations(await owner.client.delete(f"{owner.w}/keys/12")) == [["path", "key_id"]]
    assert locations(await owner.client.get("/api/v1/workspaces/12/keys")) == [["path", "workspace_id"]]
    problem(await client.delete(f"{owner.w}/keys/12"), 401, "unauthenticated")
    problem(await client.get("/api/v1/workspaces/12/keys"), 401, "unauthenticated")


async def test_the_first_request_with_a_key_may_be_malformed(owner: Person) -> None:
    async with asyncio.timeout(30):
        for path in (f"{owner.w}/samples/sets", "/api/v1/workspaces/12/samples/sets"):
            headers = owner.bearing(await owner.key("write:workspace"))
            assert locations(await owner.client.post(path, json={}, headers=headers))


async def test_of_very_many_mistakes_the_first_hundred_are_told(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/login", json={str(number): 1 for number in range(5_000)})

    assert len(locations(answer)) == 100
    assert answer.json()["detail"] == "5002 parts of the request are not valid."


async def test_a_credential_is_read_alike_before_and_after_a_mistake(owner: Person, client: httpx.AsyncClient) -> None:
    credential = {"Authorization": f"Bearer  {owner.tokens['access_token']}"}

    assert (await client.get(f"{owner.w}/keys", headers=credential)).status_code == 200
    assert locations(await client.get(f"{owner.w}/keys?ofset=1", headers=credential)) == [["query", "ofset"]]


@pytest.mark.parametrize("expires_at", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_a_time_that_utc_cannot_tell_is_invalid(expires_at: str, owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/keys", json={"name": "CI", "expires_at": expires_at})

    assert locations(answer) == [["body", "expires_at"]]
    assert answer.json()["errors"][0]["message"] == "in UTC this lies outside of the years 1 to 9999"


@pytest.mark.parametrize("text", [r"a\u0000b", r"a\ud800b"], ids=["zero character", "lone surrogate"])
async def test_text_that_no_database_can_store_is_invalid(text: str, owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/keys", content=f'{{"name": "{text}"}}', headers=JSON)

    assert locations(answer)[0][0] == "body"


async def test_half_a_character_in_a_text_without_bounds_is_invalid(owner: Person) -> None:
    made = await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Refunds"})
    curate = f"{owner.w}/samples/sets/{made.json()['id']}/curate"

    assert locations(await owner.client.post(curate, content=r'{"workflow": "\ud83d"}', headers=JSON)) == [["body"]]


async def test_a_filter_that_no_database_can_compare_is_invalid(owner: Person) -> None:
    assert locations(await owner.client.get("/api/v1/account/audit-log?action=a%00b")) == [["query"]]


async def test_a_header_that_contradicts_the_path_is_a_bad_request(owner: Person, stranger: Person) -> None:
    answer = await owner.client.get(f"{owner.w}/keys", headers={"X-Workspace-Id": str(stranger.workspace_id)})

    problem(answer, 400, "workspace-mismatch")


@pytest.mark.parametrize("write", [str.upper, lambda text: text.replace("-", ""), lambda text: f"urn:uuid:{text}"])
async def test_a_header_may_write_the_id_of_the_path_in_any_way(write: Callable[[str], str], owner: Person) -> None:
    headers = {"X-Workspace-Id": write(str(owner.workspace_id))}
    key = {"Authorization": f"Bearer {await owner.key()}"}

    assert (await owner.client.get(f"{owner.w}/keys", headers=headers)).status_code == 200
    assert (await owner.client.get("/otel/v1/traces/stats", headers=headers | key)).status_code == 200


async def test_a_body_over_the_limit_is_too_large(app: FastAPI, client: httpx.AsyncClient) -> None:
    limit = app.state.settings.max_body_bytes
    content = b'{"email": "' + b"x" * limit + b'"}'

    async def in_pieces() -> Any:
        for start in range(0, len(content), 1_000_000):
            yield content[start : start + 1_000_000]

    for body in (content, in_pieces()):
        answer = await client.post("/api/v1/auth/login", content=body, headers=JSON)
        assert problem(answer, 413, "payload-too-large")["limit_bytes"] == limit


async def test_an_unexpected_error_shows_nothing(
    app: FastAPI, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    @app.get("/breaks")
    async def breaks() -> None:
        raise RuntimeError("the password of the database is hunter2")

    answer = await client.get("/breaks")

    body = problem(answer, 500, "internal-error")
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
    logged = capsys.readouterr()
    assert body["request_id"] in logged.out + logged.err


async def test_a_missing_workspace_says_not_found_without_internals(owner: Person, stranger: Person) -> None:
    answer = await owner.client.get(stranger.w)

    assert set(problem(answer, 404, "not-found")) == MEMBERS


@pytest.mark.parametrize("error", sorted(all_errors(), key=str), ids=lambda each: each.__name__)
def test_every_error_has_a_family_a_title_and_a_slug(error: type[SpectralError]) -> None:
    assert 400 <= status_of(error) < 600
    assert error.title == error.title.strip()
    assert error.slug == error.slug.lower().replace("_", "-")
    assert (error.__doc__ or "").strip()


def test_every_family_has_a_status() -> None:
    assert set(STATUS_OF_FAMILY) == families()


def test_a_slug_has_one_status_and_one_title() -> None:
    meanings: dict[str, set[tuple[int, str]]] = {}
    for error in all_errors():
        meanings.setdefault(error.slug, set()).add((status_of(error), error.title))

    assert {slug: meaning for slug, meaning in meanings.items() if len(meaning) > 1} == {}
