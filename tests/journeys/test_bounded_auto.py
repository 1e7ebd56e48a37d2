"""A change that nobody touches: scanned, decided within its bounds, applied, and watched by the system alone."""

from datetime import timedelta
from typing import Any

import orjson

from spectral_platform.core.database import Database
from spectral_platform.demo.sample_builder import build_samples
from tests.changesets.test_bounded_auto import BOUNDED, traffic
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import CODE_RUBRIC, make_scannable

SAMPLES_PER_ARTICLE = 11
"""So many that 120 groups of them and more are sealed, which is what the mode asks for."""
CHEAP = {
    "key": "cheap",
    "name": "Cheap",
    "description": "Takes few tokens.",
    "weight": 6,
    "evaluator": {"kind": "max_tokens", "value": 100_000},
}
"""What the agent does already: the rubric must not gain far more than the domain's standard."""


async def test_a_scan_under_bounded_auto_changes_production_by_itself(owner: Person, database: Database, work: Drain) -> None:
    samples = [orjson.loads(line) for line in build_samples(SAMPLES_PER_ARTICLE).splitlines()]
    scannable = await make_scannable(owner, database, cases=samples, dimensions=[CHEAP, CODE_RUBRIC[0]])
    agent: dict[str, Any] = await scannable.get(f"agents/{scannable.agent_id}")
    await traffic(database, owner, agent, 200, failing=4, ago=timedelta(hours=2))
    assert (await owner.client.put(f"{owner.w}/autonomy", json=BOUNDED | {"bounds": {"max_risk": "medium"}})).status_code == 200

    started = await scannable.start(strategies=["rules"], max_candidates=1)
    await work()

    scan = await scannable.get(f"scans/{started['scan_id']}")
    verdict = scan["verdict"]
    changeset = await scannable.get(f"changesets/{scan['changeset_id']}")
    assert (verdict["outcome"], verdict["evidence_level"], verdict["statistics"]["rigor"]["alpha"]) == ("improve", "L3", 0.01)
    assert verdict["effect"]["n_pairs"] >= 120
    assert changeset["status"] == "applied", changeset["explainability"]["decision_log"][-1]
    assert changeset["watch"]["status"] == "watching"
    assert [move["actor"]["kind"] for move in changeset["history"]] == ["system"] * 3
    running = await scannable.get(f"agents/{scannable.agent_id}/config")
    assert running["template"] == changeset["items"][0]["proposed_config"]["template"]
