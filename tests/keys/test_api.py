"""API keys: what one may carry, what is shown of it and when, and how it ends."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from spectral_platform.core import clock
from tests.fixtures.callers import Person


async def issue(owner: Person, **body: Any) -> httpx.Response:
    return await owner.client.post(f"{owner.w}/keys", json={"name": "CI Pipeline"} | body)


async def test_a_secret_is_shown_once(owner: Person) -> None:
    issued = (await issue(owner)).json()

    (listed,) = (await owner.client.get(f"{owner.w}/keys")).json()["results"]
    assert listed == {field: value for field, value in issued.items() if field != "key"}
    assert issued["key"].startswith(issued["prefix"])
    assert sorted(issued["scopes"]) == ["read:agents", "write:traces"]


async def test_revoking_a_key_refuses_it_at_once_and_doing_so_again_changes_nothing(owner: Person) -> None:
    issued = (await issue(owner)).json()
    agents, bearing = f"{owner.w}/agents", owner.bearing(issued["key"])
    assert (await owner.client.get(agents, headers=bearing)).status_code == 200

    for _ in range(2):
        assert (await owner.client.delete(f"{owner.w}/keys/{issued['id']}")).status_code == 204
        assert (await owner.client.get(agents, headers=bearing)).status_code == 401

    log = (await owner.client.get("/api/v1/account/audit-log", params={"action": "key.revoked"})).json()["results"]
    assert [entry["resource_id"] for entry in log] == [issued["id"]]


@pytest.mark.parametrize("scope", ["admin:workspace", "approve:agents", "admin:account"])
async def test_a_key_carries_no_scope_of_people(scope: str, owner: Person) -> None:
    answer = await issue(owner, scopes=["read:agents", scope])

    assert answer.status_code == 400, answer.text
    assert answer.json()["scopes"] == [scope]
    assert (await owner.client.get(f"{owner.w}/keys")).json()["results"] == []


async def test_a_key_does_not_expire_before_it_is_used(owner: Person) -> None:
    moment = clock.now()

    assert (await issue(owner, expires_at=(moment - timedelta(seconds=1)).isoformat())).status_code == 400
    kept = await issue(owner, expires_at=(moment + timedelta(days=1)).isoformat())
    assert kept.status_code == 201
    assert [key["id"] for key in (await owner.client.get(f"{owner.w}/keys")).json()["results"]] == [kept.json()["id"]]
