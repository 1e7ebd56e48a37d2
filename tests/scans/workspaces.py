"""Workspaces that a scan can run in, made through the API as a team would make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from spectral_platform.core.database import Database
from spectral_platform.demo import content
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.purposes import Purpose
from spectral_platform.worlds.commands import install_split_key
from tests.fixtures.callers import Person
from tests.fixtures.llm import AGENT, JUDGE, PROPOSER

CODE_RUBRIC = [
    {
        "key": "sources",
        "name": "Sources",
        "description": "Name the source of every answer: the id of the article, in square brackets.",
        "weight": 2,
        "evaluator": {"kind": "regex", "pattern": r"\[KB-\d+\]"},
    },
    {
        "key": "next_step",
        "name": "Next step",
        "description": "Close with the next step that the customer can take, introduced by these very words.",
        "weight": 1,
        "evaluator": {"kind": "contains", "value": "next step", "case_sensitive": False},
    },
]
QUICK = {"seed": 1, "max_candidates": 4, "strategies": ["reflective"]}
JUDGED = {
    "key": "resolution",
    "name": "Resolution",
    "description": "Gives the customer something to work with instead of pointing elsewhere.",
    "weight": 1,
    "evaluator": {"kind": "llm_judge"},
}


@dataclass(frozen=True)
class Scannable:
    """A workspace with an agent, a rubric and published samples."""

    owner: Person
    agent_id: UUID
    rubric_id: UUID

    async def start(self, **settings: Any) -> dict[str, Any]:
        """Start a scan."""
        answer = await self.owner.client.post(f"{self.owner.w}/scans", json={**QUICK, **settings})
        assert answer.status_code == 202, answer.text
        started: dict[str, Any] = answer.json()
        assert answer.headers["Location"] == f"{self.owner.w}/scans/{started['scan_id']}"
        return started

    async def get(self, path: str) -> dict[str, Any]:
        """Read something below the workspace."""
        answer = await self.owner.client.get(f"{self.owner.w}/{path}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


async def make_scannable(
    owner: Person,
    database: Database,
    *,
    model: str = "sim/standard",
    judged: bool = False,
    samples: int | None = None,
    execution: dict[str, Any] | None = None,
    cases: Sequence[dict[str, Any]] | None = None,
    dimensions: Sequence[dict[str, Any]] = CODE_RUBRIC,
) -> Scannable:
    """Fill a person's workspace; without ``cases`` with so many of the demo's samples.

    The split key is pinned, so that a seed gives the same scan in every run of the tests.
    """
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await install_split_key(session, owner.workspace_id, content.SPLIT_KEY)
    config = content.agent_config().model_dump(mode="json", exclude_none=True)
    config["hyperparameters"]["model"] = model
    if execution is not None:
        config["execution"] = execution
    agent = await _post(owner, "agents", {"name": "support-agent", "config": config})
    held_to = [*dimensions, *([JUDGED] if judged else [])]
    rubric = await _post(owner, "evaluations/rubrics", {"name": "Support quality", "dimensions": held_to})
    if samples != 0:
        sample_set = await _post(owner, "samples/sets", {"name": "Questions"})
        if cases is None:
            cases = [sample.model_dump(mode="json", exclude_none=True) for sample in content.load_samples()[:samples]]
        added = await _post(owner, f"samples/sets/{sample_set['id']}/samples", cases)
        assert added["created"] == len(cases), added
        await _post(owner, f"samples/sets/{sample_set['id']}/publish", None)
    return Scannable(owner=owner, agent_id=UUID(agent["id"]), rubric_id=UUID(rubric["id"]))


async def make_scannable_on_endpoint(owner: Person, database: Database) -> Scannable:
    """The same with the agent, the judge and the proposer on the server of ``tests.fixtures.llm``."""
    made = await make_scannable(owner, database, model=AGENT)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        purposes = {Purpose.SCORING: JUDGE, Purpose.REASONING: PROPOSER}
        await choose_models(session, workspace_id=owner.workspace_id, purposes=purposes)
    return made


async def _post(owner: Person, path: str, body: Any) -> dict[str, Any]:
    answer = await owner.client.post(f"{owner.w}/{path}", json=body)
    assert answer.status_code in {200, 201}, answer.text
    made: dict[str, Any] = answer.json()
    return made
