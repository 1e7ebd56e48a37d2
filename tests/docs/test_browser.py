"""The documentation pages in a real browser that may reach nothing but the test's own server."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import ConsoleMessage, Page, Route, async_playwright, expect

from tests.fixtures.callers import Person

CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=30_000)  # milliseconds; drawing the whole document takes a while on a busy machine


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where the browser is."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None and os.environ.get("CI"):
        pytest.fail("No browser: install the package `chromium`; the documentation pages must be tested here.")
    if found is None:
        pytest.skip("NO BROWSER FOUND, THE DOCUMENTATION PAGES ARE NOT TESTED: install the package `chromium`.")
    return found


@pytest.fixture
async def origin(app: FastAPI) -> AsyncIterator[str]:
    """The address of the application on a real socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@dataclass
class Visit:
    """A page on the test's server, and what it tried and complained of."""

    page: Page
    strayed: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
async def visit(chromium: str, origin: str) -> AsyncIterator[Visit]:
    """An empty page whose requests to other servers are refused and written down."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = await browser.new_page(base_url=origin)
        visit = Visit(page)

        async def keep_at_home(route: Route) -> None:
            if route.request.url.startswith((f"{origin}/", "data:", "blob:")):
                await route.continue_()
            else:
                visit.strayed.append(route.request.url)
                await route.abort()

        def note(message: ConsoleMessage) -> None:
            if message.type == "error":
                visit.complaints.append(message.text)

        await page.route("**/*", keep_at_home)
        page.on("console", note)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        yield visit
        await browser.close()
    assert visit.strayed == []
    assert visit.complaints == []


async def test_swagger_ui_lists_the_operations_and_executes_one(visit: Visit) -> None:
    page = visit.page
    await page.goto("/docs")
    await page.locator("#operations-tag-Health .expand-operation").click()
    operation = page.locator("#operations-Health-get_health")
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    async with page.expect_response("**/api/v1/health") as answer:
        await operation.get_by_role("button", name="Execute").click()
    assert (await answer.value).status == 200
    await expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text("200")


async def test_authorize_sends_the_token_and_survives_a_reload(visit: Visit, owner: Person) -> None:
    page = visit.page
    await page.goto("/docs")
    await page.locator(".auth-wrapper .authorize").click()
    by_token = page.locator(".auth-container").filter(has_text="(http, Bearer)")
    await by_token.locator("input").fill(str(owner.tokens["access_token"]))
    await by_token.locator(".authorize").click()
    await page.reload()
    await page.locator("#operations-tag-Auth .expand-operation").click()
    operation = page.locator("#operations-Auth-get_profile")
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    async with page.expect_response("**/api/v1/auth/me") as answer:
        await operation.get_by_role("button", name="Execute").click()
    assert (await (await answer.value).json())["email"] == owner.email


async def test_redoc_shows_every_group_of_operations(visit: Visit, app: FastAPI) -> None:
    paths = app.openapi()["paths"].values()
    groups = {tag for operations in paths for operation in operations.values() for tag in operation["tags"]}
    page = visit.page
    await page.goto("/redoc")
    for group in groups:
        await expect(page.locator(f'.menu-content [title="{group}"]')).to_be_visible()
