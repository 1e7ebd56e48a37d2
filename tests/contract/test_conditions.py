"""If-Match and If-None-Match on everything that is versioned, as RFC 9110 says."""

import httpx
import pytest

from tests.contract.conftest import Tenants, things
from tests.contract.documents import documented_operations
from tests.contract.operations import OPERATIONS
from tests.contract.test_access import example
from tests.fixtures.callers import register

SHOWN = "{shown}"
"""Stands for the entity tag that the resource shows."""
HELD = {
    SHOWN: 304,
    f"W/{SHOWN}": 304,
    f'"other", {SHOWN}': 304,
    f'"a,b",W/{SHOWN} , "c"': 304,
    "*": 304,
    '"other"': 200,
    'W/"other"': 200,
    "shown": 200,
}
GUARDED = {
    SHOWN: True,
    f'"other", {SHOWN}': True,
    f'"a,b",{SHOWN}': True,
    "*": True,
    f"W/{SHOWN}": False,
    '"other"': False,
    '"other", "another"': False,
    "other": False,
}


def reading(header: str) -> list[str]:
    """The paths whose GET or PUT documents the header."""
    method = "GET" if header == "If-None-Match" else "PUT"
    return [
        path
        for verb, path, operation in documented_operations()
        if verb == method and header.lower() in {each["name"].lower() for each in operation.get("parameters", [])}
    ]


READ, WRITTEN = reading("If-None-Match"), reading("If-Match")


def test_versioned_things_are_looked_at() -> None:
    names = {path.rsplit("/", 1)[-1] for path in READ}

    assert names >= {"{rubric_id}", "{objective_id}", "config", "autonomy"}
    assert {path.rsplit("/", 1)[-1] for path in WRITTEN} >= {"{rubric_id}", "{objective_id}", "autonomy"}
    assert {path.rsplit("/", 1)[-1] for path in set(WRITTEN) - set(READ)} == {
        "{schedule_id}"
    }  # runs show in it without a new tag


@pytest.mark.parametrize("path", READ)
async def test_who_holds_the_current_version_gets_no_other_copy(path: str, tenants: Tenants) -> None:
    url, client = tenants.path(path), tenants.owner.client
    shown = (await client.get(url)).headers["etag"]
    assert shown.startswith('"')

    for header, status in HELD.items():
        answer = await client.get(url, headers={"If-None-Match": header.replace(SHOWN, shown)})
        assert answer.status_code == status, header
        assert answer.headers["etag"] == shown
        assert bool(answer.content) == (status == 200)
    in_lines = await client.get(url, headers=[("If-None-Match", '"other"'), ("If-None-Match", shown)])
    assert in_lines.status_code == 304


@pytest.mark.parametrize("path", WRITTEN)
async def test_a_write_succeeds_only_on_the_version_that_it_names(path: str, tenants: Tenants) -> None:
    person = await register(tenants.anybody)
    operation = next(each for each in OPERATIONS if each.path == path and each.method == "PUT")
    body = example(operation)
    made = await things(person, needed={*operation.parameters, *body})
    client: httpx.AsyncClient = person.client
    url = Tenants(tenants.anybody, person, person, made, {}).path(path)
    if isinstance(body, dict):
        body |= {name: made[name] for name in body if name in made}

    for header, is_written in GUARDED.items():
        shown = (await client.get(url)).headers["etag"]
        answer = await client.put(url, json=body, headers={"If-Match": header.replace(SHOWN, shown)})
        assert answer.status_code == (200 if is_written else 412), (header, answer.text)
        if is_written:
            assert answer.headers["etag"] == (await client.get(url)).headers["etag"]
        else:
            assert answer.json()["type"].endswith("/version-conflict")
    await client.aclose()
