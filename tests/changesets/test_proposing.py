"""What scans hand over."""

from uuid import uuid4

import pytest
from pydantic import ValidationError

from spectral_platform.changesets.explainability import Decision, Explainability
from spectral_platform.changesets.states import Outcome
from spectral_platform.core import clock
from spectral_platform.core.database import Database
from tests.agents.factories import config, create_agent
from tests.changesets.factories import BETTER, card, change, explainability, make_changeset
from tests.fixtures.callers import Person


async def test_an_improvement_is_proposed_with_everything_that_explains_it(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    changeset_id = await make_changeset(database, owner, change(agent), cards=(card(agent),))

    shown = (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()

    assert shown["id"] == shown["changeset_id"] == str(changeset_id)
    assert (shown["status"], shown["outcome"], shown["risk"], shown["simulated"]) == ("proposed", "improve", "low", True)
    assert shown["summary"] == shown["explainability"]["summary"] == "Answers become briefer."
    assert shown["verdict"] == {"outcome": "improve", "effect": {"estimate": 0.2}, "evidence_level": "L3"}
    assert shown["performance_cards"][0]["measurements"][0]["proposed"] == 0.7
    assert shown["framework_snapshot"]["world_model"] == "general-agent-conduct@1.0.0"
    (item,) = shown["items"]
    assert (item["agent_id"], item["base_version"], item["strategy"]) == (agent["id"], 1, "reflective")
    assert item["proposed_config"]["template"]["base_prompt"] == BETTER
    lines = item["diff"]["template"][0]["hunks"][0]["lines"]
    assert [line["text"] for line in lines if line["kind"] == "added"] == ["Be kind and brief."]
    assert [(move["from_status"], move["to_status"]) for move in shown["history"]] == [(None, "proposed")]
    assert shown["history"][0]["actor"] == {"kind": "system", "id": None}


async def test_no_justified_change_is_validated_in_fixed_words(database: Database, owner: Person) -> None:
    changeset_id = await make_changeset(database, owner, outcome=Outcome.VALIDATED_NO_CHANGE)

    shown = (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()

    assert shown["status"] == "validated"
    assert shown["explainability"]["summary"] == "No changes warranted"
    assert shown["items"] == []
    assert len(shown["explainability"]["decision_log"]) == 1


async def test_a_tradeoff_is_born_rejected_with_its_reason(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    changeset_id = await make_changeset(
        database, owner, change(agent), outcome=Outcome.REJECTED_TRADEOFF, reason="Authority A lost 17 points."
    )

    shown = (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()

    assert shown["status"] == "rejected"
    assert shown["explainability"]["decision_log"][-1]["entry"] == "Authority A lost 17 points."
    assert shown["explainability"]["decision_log"][-1]["actor"] == "scan"


@pytest.mark.parametrize(
    ("outcome", "changes", "reason"),
    [
        (Outcome.INSUFFICIENT_EVIDENCE, True, None),
        (Outcome.INSUFFICIENT_EVIDENCE, False, None),
        (Outcome.IMPROVE, False, None),
        (Outcome.IMPROVE, True, "because"),
        (Outcome.VALIDATED_NO_CHANGE, True, None),
        (Outcome.REJECTED_TRADEOFF, True, None),
    ],
)
async def test_a_scan_cannot_hand_over_what_makes_no_sense(
    database: Database, owner: Person, outcome: Outcome, changes: bool, reason: str | None
) -> None:
    agent = await create_agent(owner, config=config())

    with pytest.raises(ValueError, match=r"change|reason"):
        await make_changeset(database, owner, *([change(agent)] if changes else []), outcome=outcome, reason=reason)

    assert (await owner.client.get(f"{owner.w}/changesets")).json()["pagination"]["total"] == 0


async def test_changesets_are_listed_newest_first_and_filtered(database: Database, owner: Person, stranger: Person) -> None:
    first_agent, second_agent = [await create_agent(owner, config=config()) for _ in range(2)]
    first = await make_changeset(database, owner, change(first_agent))
    second = await make_changeset(database, owner, change(second_agent))
    third = await make_changeset(database, owner, outcome=Outcome.VALIDATED_NO_CHANGE)
    scan_id = (await owner.client.get(f"{owner.w}/changesets/{second}")).json()["scan_id"]

    async def listed(person: Person, **query: str) -> list[str]:
        answer = await person.client.get(f"{person.w}/changesets", params=query)
        assert answer.status_code == 200, answer.text
        return [changeset["id"] for changeset in answer.json()["results"]]

    assert await listed(owner) == [str(third), str(second), str(first)]
    assert await listed(owner, status="validated") == [str(third)]
    assert await listed(owner, agent_id=first_agent["id"]) == [str(first)]
    assert await listed(owner, scan_id=scan_id) == [str(second)]
    assert await listed(owner, agent_id=str(uuid4())) == []
    assert await listed(stranger) == []
    assert (await stranger.client.get(f"{stranger.w}/changesets/{first}")).status_code == 404


def test_a_decision_rests_only_on_evidence_that_is_there() -> None:
    unfounded = Decision(at=clock.now(), actor="scan", entry="Chose it.", evidence=("quality", "hearsay"))

    with pytest.raises(ValidationError, match="hearsay"):
        Explainability(summary="x", decision_log=(unfounded,), verdict_evidence=explainability().verdict_evidence, limitations=())
