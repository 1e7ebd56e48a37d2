"""What the workspace's autonomy policy lets people decide."""

import pytest

from spectral_platform.core.database import Database
from tests.changesets.factories import proposed
from tests.changesets.test_deciding import act
from tests.fixtures.callers import Person


@pytest.mark.parametrize(
    ("mode", "answers"),
    [
        ("observe_only", [400, 400]),
        ("recommend", [200, 400]),
        ("manual", [200, 200]),
        ("bounded_auto", [200, 200]),
    ],
)
async def test_a_mode_decides_what_people_may_do(mode: str, answers: list[int], database: Database, owner: Person) -> None:
    _, changeset_id = await proposed(database, owner)
    assert (await owner.client.put(f"{owner.w}/autonomy", json={"mode": mode})).status_code == 200

    given = [await act(owner, changeset_id, action) for action in ("accept", "apply")]

    assert [answer.status_code for answer in given] == answers
    assert {answer.json()["mode"] for answer in given if answer.status_code == 400} <= {mode}


async def test_nothing_is_lost_by_watching_for_a_while(database: Database, owner: Person) -> None:
    _, changeset_id = await proposed(database, owner)
    await owner.client.put(f"{owner.w}/autonomy", json={"mode": "observe_only"})
    assert (await act(owner, changeset_id, "accept")).status_code == 400

    await owner.client.put(f"{owner.w}/autonomy", json={"mode": "manual"})

    assert (await act(owner, changeset_id, "accept")).status_code == 200
