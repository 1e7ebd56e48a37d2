"""What workspaces decide for themselves, over HTTP."""

import asyncio
from typing import Any

import pytest

from tests.fixtures.callers import Person

DEFAULTS: dict[str, dict[str, Any]] = {
    "retention": {"traces_days": None},
    "masking": {"detectors": [], "rules": [], "keys": [], "replacement": "[{name}]"},
    "prices": {"prices": []},
    "autonomy": {
        "mode": "manual",
        "bounds": {"max_risk": "low", "max_applies_per_day": 1, "min_confidence": 0.95, "agents": None},
        "required_approvals": 1,
        "watch_window_s": 86_400,
    },
}
DECIDED: dict[str, dict[str, Any]] = {
    "retention": {"traces_days": 30},
    "masking": {"detectors": ["email"], "keys": ["*secret*"], "rules": [{"name": "customer", "pattern": r"\bC-\d+\b"}]},
    "prices": {"prices": [{"model": "acme", "input_usd": "2.50", "output_usd": "10"}]},
    "autonomy": {"mode": "recommend", "required_approvals": 2},
}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("retention", {"traces_days": 0}, "traces_days"),
    ("retention", {"traces_days": 1.5}, "traces_days"),
    ("retention", {"days": 1}, "days"),
    ("masking", {"rules": [{"name": "x", "pattern": "("}]}, "rules"),
    ("masking", {"rules": [{"name": "x", "pattern": r"(?=a)"}]}, "rules"),
    ("masking", {"rules": [{"name": "x", "pattern": "a*"}]}, "rules"),
    ("masking", {"detectors": ["shoe size"]}, "detectors"),
    ("masking", {"replacement": "\x00"}, "replacement"),
    ("prices", {"prices": [{"model": "a", "input_usd": "-1", "output_usd": "1"}]}, "prices"),
    ("prices", {"prices": [{"model": "a", "input_usd": "NaN", "output_usd": "1"}]}, "prices"),
    ("prices", {"prices": [{"model": "a", "input_usd": "Infinity", "output_usd": "1"}]}, "prices"),
    ("prices", {"prices": 2 * [{"model": "a", "input_usd": "1", "output_usd": "1"}]}, "body"),
    ("autonomy", {"mode": "yolo"}, "mode"),
    ("autonomy", {"required_approvals": 0}, "required_approvals"),
    ("autonomy", {"bounds": {"min_confidence": 1}}, "bounds"),
]


@pytest.mark.parametrize("kind", DEFAULTS)
async def test_a_workspace_that_has_decided_nothing_has_the_defaults(kind: str, owner: Person) -> None:
    answer = await owner.client.get(f"{owner.w}/{kind}")

    assert answer.status_code == 200
    assert answer.json() == DEFAULTS[kind]


@pytest.mark.parametrize("kind", DECIDED)
async def test_what_was_decided_is_told_again_and_is_in_the_audit_log_once(kind: str, owner: Person) -> None:
    put = await owner.client.put(f"{owner.w}/{kind}", json=DECIDED[kind])
    got = await owner.client.get(f"{owner.w}/{kind}")
    entries = (await owner.client.get("/api/v1/account/audit-log", params={"action": f"{kind}.replaced"})).json()["results"]

    assert put.status_code == 200, put.text
    assert put.json() == got.json()
    assert put.headers["ETag"] == got.headers["ETag"]
    for name, value in DECIDED[kind].items():
        assert got.json()[name] == value or kind in {"masking", "prices"}
    assert [entry["resource_id"] for entry in entries] == [str(owner.workspace_id)]


async def test_a_put_replaces_what_it_does_not_name(owner: Person) -> None:
    await owner.client.put(f"{owner.w}/autonomy", json={"mode": "recommend", "required_approvals": 3})
    answer = await owner.client.put(f"{owner.w}/autonomy", json={"mode": "observe_only"})

    assert answer.json() == DEFAULTS["autonomy"] | {"mode": "observe_only"}


@pytest.mark.parametrize(("kind", "body", "field"), REFUSED)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    kind: str, body: dict[str, Any], field: str, owner: Person
) -> None:
    answer = await owner.client.put(f"{owner.w}/{kind}", json=body)

    assert answer.status_code == 422, answer.text
    assert field in {part for error in answer.json()["errors"] for part in error["location"]}
    assert (await owner.client.get(f"{owner.w}/{kind}")).json() == DEFAULTS[kind]


@pytest.mark.parametrize("kind", DECIDED)
async def test_a_policy_is_written_only_over_the_one_that_was_read(kind: str, owner: Person) -> None:
    path = f"{owner.w}/{kind}"
    first = (await owner.client.get(path)).headers["ETag"]

    racing = [owner.client.put(path, json=DECIDED[kind], headers={"If-Match": first}) for _ in range(10)]
    answers = [answer.status_code for answer in await asyncio.gather(*racing)]

    assert sorted(answers) == [200] + 9 * [412]
    held = (await owner.client.get(path)).headers["ETag"]
    assert (await owner.client.get(path, headers={"If-None-Match": held})).status_code == 304
    assert (await owner.client.get(path, headers={"If-None-Match": first})).status_code == 200


async def test_policies_of_one_workspace_say_nothing_about_another(owner: Person, stranger: Person) -> None:
    await owner.client.put(f"{owner.w}/retention", json={"traces_days": 7})

    assert (await stranger.client.get(f"{stranger.w}/retention")).json() == DEFAULTS["retention"]
    assert (await stranger.client.get(f"{owner.w}/retention")).status_code == 404
