"""The documentation pages as documents: where their parts come from."""

import re

import httpx
import pytest
from fastapi import FastAPI


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_everything_that_a_page_names_is_served_by_the_application(client: httpx.AsyncClient, page: str) -> None:
    answer = await client.get(page)
    named = re.findall(r"""(?:src|href|spec-url)="([^"]+)"|url: '([^']+)'""", answer.text)
    addresses = [first or second for first, second in named]
    assert len(addresses) >= 3
    for address in addresses:
        assert (await client.get(address)).status_code == 200, address


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_a_page_may_run_no_script_but_its_own(client: httpx.AsyncClient, page: str) -> None:
    policy = (await client.get(page)).headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert "unsafe" not in directives["script-src"]
    assert "http" not in policy


async def test_swagger_ui_asks_no_public_validator(client: httpx.AsyncClient) -> None:
    assert '"validatorUrl": null' in (await client.get("/docs")).text


async def test_behind_a_path_prefix_the_pages_name_their_parts_with_it(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app=app, root_path="/spectral")
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for page in ("/docs", "/redoc"):
            text = (await client.get(f"/spectral{page}")).text
            assert "/spectral/openapi.json" in text
            assert "/spectral/docs/assets/" in text


async def test_a_missing_asset_is_a_problem_document(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs/assets/no-such-file.js")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
