"""The documentation pages in a real browser that may reach nothing but the test's own server."""

import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from tests.fixtures.browser import Visit
from tests.fixtures.callers import Person

pytestmark = pytest.mark.long


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


async def test_swagger_ui_is_dark_where_the_reader_wants_it_so(visit: Visit) -> None:
    page = visit.page
    paper = page.locator("html")
    await page.emulate_media(color_scheme="light")
    await page.goto("/docs")
    await expect(page.locator(".swagger-ui .info")).to_be_visible()
    await expect(paper).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    await page.emulate_media(color_scheme="dark")
    await expect(paper).to_have_css("background-color", "rgb(28, 32, 34)")
    await page.reload()
    await expect(page.locator(".swagger-ui .info")).to_be_visible()
    await expect(paper).to_have_css("background-color", "rgb(28, 32, 34)")
    assert visit.complaints == []


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
