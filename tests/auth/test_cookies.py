"""Logging in with cookies, and what pages of other sites cannot do with them."""

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from spectral_api.app import create_app
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Environment, Settings
from tests.contract.documents import DOCUMENT
from tests.fixtures.callers import PASSWORD, Person, register

LOGIN, REFRESH, LOGOUT, ME = (f"/api/v1/auth/{name}" for name in ("login", "refresh", "logout", "me"))
CSRF = "X-CSRF-Token"


@pytest.fixture
async def browser(app: FastAPI, owner: Person) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which the owner has logged in, without a word about CSRF."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
        answer = await opened.post(LOGIN, params={"cookies": "true"}, json={"email": owner.email, "password": PASSWORD})
        assert answer.status_code == 200
        yield opened


def csrf(browser: httpx.AsyncClient) -> dict[str, str]:
    return {CSRF: browser.cookies["csrf_token"]}


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rsplit("/", 1)[-1]


def set_by(answer: httpx.Response) -> SimpleCookie:
    cookies = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        cookies.load(header)
    return cookies


async def test_spans_that_a_page_sends_with_the_cookie_are_taken_in(browser: httpx.AsyncClient, owner: Person) -> None:
    span = {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "00f067aa0ba902b7",
        "name": "click",
        "startTimeUnixNano": "1795323600000000000",
        "endTimeUnixNano": "1795323600840000000",
    }
    headers = csrf(browser) | {"X-Workspace-Id": str(owner.workspace_id)}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    assert (await browser.post("/otel/v1/traces", json=body, headers=headers)).status_code == 200

    assert (await owner.client.get(f"{owner.w}/traces/{span['traceId']}")).status_code == 200


@pytest.mark.parametrize("environment", list(Environment))
async def test_cookies_are_kept_from_scripts_from_other_sites_and_from_the_clear(
    environment: Environment, database: Database, settings: Settings, owner: Person
) -> None:
    chosen = settings.model_copy(update={"environment": environment, "secret_key": SecretStr("x" * 40)})
    transport = httpx.ASGITransport(app=create_app(chosen, database))
    async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
        body = {"email": owner.email, "password": PASSWORD}
        answer = await client.post(LOGIN, params={"cookies": "true"}, json=body)
    cookies = set_by(answer)

    assert set(cookies) == {"access_token", "refresh_token", "csrf_token"}
    assert {name for name, cookie in cookies.items() if cookie["httponly"]} == {"access_token", "refresh_token"}
    assert {cookie["samesite"] for cookie in cookies.values()} == {"lax"}
    assert {bool(cookie["secure"]) for cookie in cookies.values()} == {environment is Environment.PRODUCTION}
    assert {name: cookie["path"] for name, cookie in cookies.items()} == {
        "access_token": "/",
        "csrf_token": "/",
        "refresh_token": "/api/v1/auth",
    }
    assert int(cookies["access_token"]["max-age"]) == answer.json()["expires_in"]
    assert answer.json()["access_token"] is answer.json()["refresh_token"] is None


async def test_cookies_are_only_set_when_asked_for(client: httpx.AsyncClient, owner: Person) -> None:
    answer = await client.post(LOGIN, json={"email": owner.email, "password": PASSWORD})

    assert "set-cookie" not in answer.headers
    assert answer.json()["access_token"]


async def test_registering_may_set_cookies_too(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as browser:
        body = {"email": "cookies@example.com", "password": PASSWORD, "tenant_name": "Test"}
        answer = await browser.post("/api/v1/auth/register", params={"cookies": "true"}, json=body)
        assert answer.status_code == 201
        assert (await browser.get(ME)).json()["email"] == body["email"]


async def test_reading_needs_the_cookie_alone(browser: httpx.AsyncClient, owner: Person) -> None:
    answer = await browser.get(ME)

    assert answer.status_code == 200
    assert answer.json()["email"] == owner.email


async def test_writing_needs_the_token_of_the_session(browser: httpx.AsyncClient, owner: Person) -> None:
    path, body = f"{owner.w}/keys", {"name": "by a page"}

    refused = await browser.post(path, json=body)
    accepted = await browser.post(path, json=body, headers=csrf(browser))

    assert refused.status_code == 403
    assert slug(refused) == "csrf-failed"
    assert accepted.status_code == 201
    assert len((await browser.get(path)).json()["results"]) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_every_unsafe_method_needs_it(method: str, browser: httpx.AsyncClient, owner: Person) -> None:
    path = {"POST": f"{owner.w}/keys", "DELETE": f"{owner.w}/keys/{owner.user_id}", "PUT": f"{owner.w}/autonomy"}.get(
        method, owner.w
    )

    refused = await browser.request(method, path, json={})
    accepted = await browser.request(method, path, json={}, headers=csrf(browser))

    assert slug(refused) == "csrf-failed"
    assert slug(accepted) != "csrf-failed" if accepted.status_code >= 400 else accepted.is_success


async def test_a_header_that_only_repeats_a_planted_cookie_is_refused(
    browser: httpx.AsyncClient, client: httpx.AsyncClient, owner: Person, stranger: Person
) -> None:
    """A neighbouring site can plant cookies; even the token of the attacker's own session is not the victim's."""
    body = {"email": stranger.email, "password": PASSWORD}
    planted = set_by(await client.post(LOGIN, params={"cookies": "true"}, json=body))["csrf_token"].value
    client.cookies.clear()
    for value in ("made-up", planted):
        cookies = f"access_token={browser.cookies['access_token']}; csrf_token={value}"
        answer = await client.post(f"{owner.w}/keys", json={"name": "x"}, headers={"Cookie": cookies, CSRF: value})
        assert slug(answer) == "csrf-failed"


async def test_the_right_header_without_its_cookie_is_refused(
    browser: httpx.AsyncClient, client: httpx.AsyncClient, owner: Person
) -> None:
    headers = csrf(browser) | {"Cookie": f"access_token={browser.cookies['access_token']}"}

    assert slug(await client.post(f"{owner.w}/keys", json={"name": "x"}, headers=headers)) == "csrf-failed"


async def test_an_authorization_header_goes_before_the_cookie(browser: httpx.AsyncClient, stranger: Person) -> None:
    theirs = stranger.bearing(stranger.tokens["access_token"])

    assert (await browser.get(ME, headers=theirs)).json()["email"] == stranger.email
    assert (await browser.post(f"{stranger.w}/keys", json={"name": "x"}, headers=theirs)).status_code == 201
    for header in ("Bearer nonsense", "Bearer ", "Basic abc"):
        assert (await browser.get(ME, headers={"Authorization": header})).status_code == 401


async def test_an_api_key_in_the_cookie_is_no_credential(client: httpx.AsyncClient, owner: Person) -> None:
    key = await owner.key("read:workspace", "write:workspace")

    answer = await client.get(owner.w, headers={"Cookie": f"access_token={key}"})

    assert answer.status_code == 401


async def test_refreshing_by_cookie_rotates_the_cookies(browser: httpx.AsyncClient) -> None:
    before = dict(browser.cookies)
    refused = await browser.post(REFRESH)
    assert slug(refused) == "csrf-failed"

    answer = await browser.post(REFRESH, headers=csrf(browser))

    assert answer.status_code == 200
    assert answer.json()["access_token"] is answer.json()["refresh_token"] is None
    assert browser.cookies["refresh_token"] != before["refresh_token"]
    assert browser.cookies["access_token"] != before["access_token"]
    assert browser.cookies["csrf_token"] == before["csrf_token"]
    assert (await browser.get(ME)).status_code == 200


async def test_refreshing_with_a_spent_cookie_ends_the_session(browser: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    stolen = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())} | csrf(browser)
    assert (await browser.post(REFRESH, headers=csrf(browser))).status_code == 200

    assert (await client.post(REFRESH, headers=stolen)).status_code == 401
    assert (await browser.get(ME)).status_code == 401


async def test_refreshing_with_nothing_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post(REFRESH)).status_code == 401
    assert (await client.post(REFRESH, headers={"Cookie": "refresh_token=rt_nonsense"})).status_code == 401


async def test_logging_out_clears_the_cookies_and_ends_the_session(browser: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    kept = {"Cookie": f"access_token={browser.cookies['access_token']}"}
    assert slug(await browser.post(LOGOUT)) == "csrf-failed"

    assert (await browser.post(LOGOUT, headers=csrf(browser))).status_code == 204

    assert dict(browser.cookies) == {}
    assert (await client.get(ME, headers=kept)).status_code == 401


async def test_a_form_of_another_site_logs_nobody_in(client: httpx.AsyncClient, owner: Person) -> None:
    body = f'{{"email": "{owner.email}", "password": "{PASSWORD}"}}'

    answer = await client.post(LOGIN, params={"cookies": "true"}, content=body, headers={"Content-Type": "text/plain"})

    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


def test_the_document_names_both_ways_in() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]

    assert schemes["cookie"] | {"description": ""} == {
        "type": "apiKey",
        "in": "cookie",
        "name": "access_token",
        "description": "",
    }
    assert DOCUMENT["paths"][ME]["get"]["security"] == [{"bearer": []}, {"cookie": []}]


async def test_a_changed_secret_does_not_break_pages_that_are_open(
    owner: Person, database: Database, settings: Settings, browser: httpx.AsyncClient
) -> None:
    rotated = settings.model_copy(
        update={"secret_key": SecretStr("another secret"), "previous_secret_keys": (SecretStr(settings.secret),)}
    )
    transport = httpx.ASGITransport(app=create_app(rotated, database))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=browser.cookies) as after:
        assert (await after.post(f"{owner.w}/keys", json={"name": "x"}, headers=csrf(browser))).status_code == 201
        person = await register(after)
        await person.client.aclose()
