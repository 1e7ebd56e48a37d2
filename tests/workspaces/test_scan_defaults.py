"""What a workspace's scans use where nothing else is said."""

from uuid import uuid4

import pytest

from tests.agents.factories import config, create_agent
from tests.fixtures.callers import Person


@pytest.mark.parametrize("field", ["agent_ids", "rubric_id", "objective_id", "sample_set_id"])
async def test_defaults_that_name_what_is_not_there_are_refused(owner: Person, field: str) -> None:
    absent = str(uuid4())
    answer = await owner.client.patch(owner.w, json={"scan_defaults": {field: [absent] if field == "agent_ids" else absent}})

    assert answer.status_code == 400, answer.text
    assert len(answer.json()["missing"]) == 1
    assert (await owner.client.get(owner.w)).json()["scan_defaults"] == {}


async def test_defaults_cannot_name_what_is_elsewhere(owner: Person, stranger: Person) -> None:
    foreign = (await create_agent(stranger, config=config()))["id"]
    own = (await create_agent(owner, config=config()))["id"]

    assert (await owner.client.patch(owner.w, json={"scan_defaults": {"agent_ids": [own, foreign]}})).status_code == 400
    assert (await owner.client.patch(owner.w, json={"scan_defaults": {"agent_ids": [own]}})).status_code == 200
