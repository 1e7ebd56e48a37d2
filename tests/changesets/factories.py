"""Changesets for tests, proposed as a scan does it."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.clusters.carrying import carry
from spectral_platform.changesets.clusters.findings import ClusterFinding
from spectral_platform.changesets.commands import propose
from spectral_platform.changesets.explainability import Decision, Evidence, Explainability
from spectral_platform.changesets.proposals import Attempt, FrameworkSnapshot, Measurement, PerformanceCard, ProposedChange
from spectral_platform.changesets.states import Outcome, Risk
from spectral_platform.core import clock
from spectral_platform.core.access import system_caller
from spectral_platform.core.database import Database
from tests.agents.factories import config, create_agent
from tests.fixtures.callers import Person

BETTER = "You answer questions about orders.\nBe kind and brief.\nCite the article that you use."


def explainability(summary: str = "Answers become briefer.") -> Explainability:
    """An explanation with one decision that rests on one piece of evidence."""
    evidence = Evidence(key="quality", statement="Quality rose.", figures={"estimate": 0.2, "lower_bound": 0.1})
    decision = Decision(
        at=clock.now(), actor="scan", entry="Chose the candidate.", phase="evaluate", strategy="reflective", evidence=("quality",)
    )
    return Explainability(summary=summary, decision_log=(decision,), verdict_evidence=(evidence,), limitations=("Few cases.",))


def change(agent: dict[str, Any], *, base_version: int = 1, prompt: str = BETTER, model: str = "sim/standard") -> ProposedChange:
    """A new prompt for the agent."""
    return ProposedChange(
        agent_id=UUID(agent["id"]),
        base_version=base_version,
        proposed_config=AgentConfig.model_validate(config(prompt, model=model)),
        strategy="reflective",
        rationale="Customers ask for brevity.",
        cluster_signatures=("c1",),
    )


def card(agent: dict[str, Any]) -> PerformanceCard:
    """How the agent fared."""
    return PerformanceCard(
        agent_id=UUID(agent["id"]),
        agent_name=agent["name"],
        authority="general-agent-conduct",
        authority_version="1.0.0",
        outcome="improve",
        cases=80,
        measurements=(Measurement(metric="quality", direction="maximize", baseline=0.5, proposed=0.7),),
        trajectory=(Attempt(candidate="k1", strategy="reflective", score=0.7, fate="finalist"),),
    )


SNAPSHOT = FrameworkSnapshot(
    world_model="general-agent-conduct@1.0.0", rubric={"name": "Support"}, objective=None, sample_set=None, seed=7
)


def finding(signature: str = "c1", **figures: Any) -> ClusterFinding:
    """A failure cluster as a scan saw it."""
    values = {
        "label": f"brevity: {signature}",
        "description": "12 of 40 failures, such as: too long",
        "size": 12,
        "share": 0.3,
        "severity": 0.6,
        "exemplar_cases": ("case-1",),
        "exemplar_trace_ids": ("0af7651916cd43dd8448eb211c80319c",),
    }
    return ClusterFinding.model_validate({"signature": signature} | values | figures)


async def make_changeset(
    database: Database,
    person: Person,
    *changes: ProposedChange,
    outcome: Outcome = Outcome.IMPROVE,
    simulated: bool = True,
    clusters: tuple[ClusterFinding, ...] = (),
    cards: tuple[PerformanceCard, ...] = (),
    reason: str | None = None,
    risk: Risk = Risk.LOW,
    verdict: dict[str, Any] | None = None,
) -> UUID:
    """A changeset of a scan of its own; the scan is Spectral's work, not a person's."""
    caller = system_caller(person.account_id, person.workspace_id)
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        return await propose(
            session,
            caller,
            scan_id=uuid4(),
            outcome=outcome,
            items=changes,
            explainability=explainability(),
            verdict=verdict or {"outcome": outcome.value, "effect": {"estimate": 0.2}, "evidence_level": "L3"},
            performance_cards=cards,
            framework_snapshot=SNAPSHOT,
            risk=risk,
            simulated=simulated,
            clusters=await carry(session, caller, clusters),
            reason=reason,
        )


async def proposed(database: Database, person: Person) -> tuple[dict[str, Any], UUID]:
    """An agent and a changeset that proposes a briefer prompt for it."""
    agent = await create_agent(person, config=config())
    return agent, await make_changeset(database, person, change(agent))


async def watched(database: Database, person: Person, changeset_id: UUID) -> None:
    """Watch production for a day because of a changeset."""
    now = clock.now()
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        session.add(
            ChangesetWatch(
                workspace_id=person.workspace_id,
                changeset_id=changeset_id,
                began_at=now,
                ends_at=now + timedelta(days=1),
                evidence_needed=800.0,
                baseline=(),
            )
        )
