"""Proposing changesets and deciding about them.

Every decision locks the agents concerned first, in the order of their ids, and then the changeset; only then does it look at
labels. So decisions about the same agents come one after the other, each sees what the one before it did, and none can deadlock.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents import queries as agents
from spectral_platform.agents.commands import add_config_version, lock_agents, set_labels
from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.diffs import diff_configs
from spectral_platform.agents.errors import AgentNotFound
from spectral_platform.agents.models import Agent
from spectral_platform.agents.templates.commands import move_current, write_back
from spectral_platform.agents.versions import ConfigSource, Label
from spectral_platform.audit.commands import record
from spectral_platform.changesets import queries
from spectral_platform.changesets.approving import approve
from spectral_platform.changesets.autonomy.bounds import require_proof
from spectral_platform.changesets.autonomy.news import watch_ended
from spectral_platform.changesets.autonomy.queries import find_watch
from spectral_platform.changesets.autonomy.states import WatchStatus
from spectral_platform.changesets.autonomy.work import DecideChangeset
from spectral_platform.changesets.clusters.commands import record_clusters
from spectral_platform.changesets.clusters.findings import ClusterFinding
from spectral_platform.changesets.errors import (
    AutonomyForbids,
    NoApprovalToWithdraw,
    ReplayedEvidence,
    SimulatedEvidence,
    StaleChangeset,
)
from spectral_platform.changesets.explainability import NO_CHANGES_WARRANTED, Decision, Explainability
from spectral_platform.changesets.models import Changeset, ChangesetApproval, ChangesetItem, ChangesetMove
from spectral_platform.changesets.news import ChangesetMoved
from spectral_platform.changesets.proposals import FrameworkSnapshot, PerformanceCard, ProposedChange
from spectral_platform.changesets.states import BORN_AS, CHANGESET, ChangesetStatus, Outcome, Risk
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, CallerKind, system_caller
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.core.jobs import enqueue, publish
from spectral_platform.core.lifecycle import move
from spectral_platform.llm.providers.availability import is_simulated
from spectral_platform.workspaces.policies.autonomy import Autonomy, AutonomyMode
from spectral_platform.workspaces.policies.queries import get_policy

BY_SCAN = "scan"


async def propose(
    session: AsyncSession,
    caller: Caller,
    *,
    scan_id: UUID,
    outcome: Outcome,
    items: Sequence[ProposedChange],
    explainability: Explainability,
    verdict: dict[str, JsonValue],
    performance_cards: Sequence[PerformanceCard],
    framework_snapshot: FrameworkSnapshot,
    risk: Risk,
    simulated: bool,
    clusters: Sequence[ClusterFinding],
    reason: str | None = None,
) -> UUID:
    """Make a scan's changeset in the status that its outcome calls for, and answer its id.

    An improvement changes something, a validation nothing, and a rejected trade-off gives the ``reason`` that ends its decision
    log. Insufficient evidence makes no changeset. Anything else is a mistake of the scan's and a ``ValueError``.
    """
    if outcome not in BORN_AS:
        raise ValueError(f"{outcome} makes no changeset")
    if (outcome is Outcome.IMPROVE and not items) or (outcome is Outcome.VALIDATED_NO_CHANGE and items):
        raise ValueError(f"{outcome} with {len(items)} changes")
    if (outcome is Outcome.REJECTED_TRADEOFF) != (reason is not None):
        raise ValueError("a rejected trade-off gives its reason, and nothing else does")
    if outcome is Outcome.VALIDATED_NO_CHANGE:
        explainability = explainability.model_copy(update={"summary": NO_CHANGES_WARRANTED})
    if reason is not None:
        explainability = explainability.decided(Decision(at=clock.now(), actor=BY_SCAN, entry=reason))
    changeset = Changeset(
        workspace_id=caller.workspace,
        scan_id=scan_id,
        status=BORN_AS[outcome],
        outcome=outcome,
        risk=risk,
        simulated=simulated,
        explainability=explainability,
        verdict=verdict,
        performance_cards=tuple(performance_cards),
        framework_snapshot=framework_snapshot,
        items=[await _item(session, caller, item) for item in items],
    )
    session.add(changeset)
    await session.flush()
    await record_clusters(session, caller, scan_id=scan_id, findings=clusters, changeset_id=changeset.id)
    await _remember(session, caller, changeset, came_from=None, reason=reason)
    if (
        outcome is Outcome.IMPROVE
        and not verdict.get("replayed")
        and (await get_policy(session, caller, Autonomy)).mode is AutonomyMode.BOUNDED_AUTO
    ):
        order = DecideChangeset(account_id=caller.account_id, workspace_id=caller.workspace, changeset_id=changeset.id)
        await enqueue(session, order)
    return changeset.id


async def accept_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID, *, reason: str | None = None) -> Changeset:
    """Approve of the changeset. With the last approval that the workspace asks for, it is accepted.

    Then the proposed configs become versions labelled ``approved``, and other proposals for the same agents are superseded. The
    system's word is enough by itself, and comes with its ``reason``.
    """
    await _require_autonomy(session, caller, "accepted", forbidden_by={AutonomyMode.OBSERVE_ONLY})
    changeset, concerned = await lock_changeset(session, caller, changeset_id)
    if not CHANGESET.allows(changeset.status, ChangesetStatus.ACCEPTED):
        raise InvalidTransitionError(Changeset.__name__, changeset.status, ChangesetStatus.ACCEPTED)
    if (changeset.verdict or {}).get("replayed"):
        raise ReplayedEvidence
    for item in changeset.items:
        agent = _present(concerned, item)
        labels = await agents.list_labels(session, caller, agent.id)
        _require_label(item, Label.APPROVED, labels, item.base_version)
        if changeset.simulated:
            await _require_simulated(session, caller, agent, labels)
    if caller.kind is not CallerKind.SYSTEM and not await approve(session, caller, changeset):
        return await queries.get_changeset(session, caller, changeset_id)
    await move(session, changeset, ChangesetStatus.ACCEPTED, **_logged(changeset, caller, reason))
    for item in changeset.items:
        agent = _present(concerned, item)
        config = await write_back(session, caller, item.proposed_config, changeset_id=changeset.id, note=item.rationale)
        version = await add_config_version(
            session,
            caller,
            agent,
            config=config,
            source=ConfigSource.CHANGESET,
            note=item.rationale,
            changeset_id=changeset.id,
        )
        item.approved_before, item.accepted_version = item.base_version, version.version
        await set_labels(session, agent, {Label.APPROVED: version.version})
    superseded = await _supersede_others(session, changeset)
    ended = [str(other.id) for other in superseded]
    came_from = ChangesetStatus.PROPOSED
    await _remember(session, caller, changeset, came_from=came_from, reason=reason, superseded=ended)
    system = system_caller(caller.account_id, caller.workspace)
    for other in superseded:
        await _tell(session, system, other, came_from=came_from, reason=_superseded_by(changeset))
    return await queries.get_changeset(session, caller, changeset_id)


async def withdraw_approval(session: AsyncSession, caller: Caller, changeset_id: UUID) -> Changeset:
    """Take the caller's own approval back while it waits for others."""
    changeset, _ = await lock_changeset(session, caller, changeset_id)
    given = [approval for approval in changeset.approvals if approval.user_id == caller.id]
    if changeset.status is not ChangesetStatus.PROPOSED or not given:
        raise NoApprovalToWithdraw(changeset_id)
    await session.execute(delete(ChangesetApproval).where(ChangesetApproval.id == given[0].id))
    await record(session, caller, action="changeset.approval_withdrawn", resource="changeset", resource_id=changeset_id)
    session.expunge(given[0])
    return await queries.get_changeset(session, caller, changeset_id)


async def reject_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID, *, reason: str) -> Changeset:
    """Decide against the changeset. If it was accepted, ``approved`` returns to where it was, unless it has moved on since."""
    changeset, concerned = await lock_changeset(session, caller, changeset_id)
    came_from = changeset.status
    await move(session, changeset, ChangesetStatus.REJECTED, explainability=_explained(changeset, caller, reason))
    for item in changeset.items if came_from is ChangesetStatus.ACCEPTED else []:
        agent = concerned.get(item.agent_id)
        if agent is None:
            continue
        labels = await agents.list_labels(session, caller, agent.id)
        if labels.get(Label.APPROVED) == item.accepted_version:
            await set_labels(session, agent, {Label.APPROVED: item.approved_before})
    await _remember(session, caller, changeset, came_from=came_from, reason=reason)
    return await queries.get_changeset(session, caller, changeset_id)


async def apply_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID, *, reason: str | None = None) -> Changeset:
    """Label the accepted versions ``production``: from now on agents fetch them.

    What they say in place of a managed template becomes that template's current version.
    """
    await _require_autonomy(session, caller, "applied", forbidden_by={AutonomyMode.OBSERVE_ONLY, AutonomyMode.RECOMMEND})
    changeset, concerned = await lock_changeset(session, caller, changeset_id)
    require_proof(changeset.verdict, simulated=changeset.simulated)
    await move(session, changeset, ChangesetStatus.APPLIED, **_logged(changeset, caller, reason))
    for item in changeset.items:
        agent = _present(concerned, item)
        labels = await agents.list_labels(session, caller, agent.id)
        version = _require_label(item, Label.APPROVED, labels, item.accepted_version)
        item.production_before = labels.get(Label.PRODUCTION)
        await set_labels(session, agent, {Label.PRODUCTION: version})
        base, accepted = await _configs(session, caller, item)
        await move_current(session, caller, before=base, after=accepted)
    await _remember(session, caller, changeset, came_from=ChangesetStatus.ACCEPTED, reason=reason)
    return await queries.get_changeset(session, caller, changeset_id)


async def rollback_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID, *, reason: str) -> Changeset:
    """Put every label, and every managed template, back to where it was before this changeset moved it.

    Nobody watches production because of it any more.
    """
    changeset, concerned = await lock_changeset(session, caller, changeset_id)
    came_from = changeset.status
    await move(session, changeset, ChangesetStatus.ROLLED_BACK, explainability=_explained(changeset, caller, reason))
    for item in changeset.items:
        agent = _present(concerned, item)
        labels = await agents.list_labels(session, caller, agent.id)
        _require_label(item, Label.APPROVED, labels, item.accepted_version)
        returned = {Label.APPROVED: item.approved_before}
        if came_from is ChangesetStatus.APPLIED:
            _require_label(item, Label.PRODUCTION, labels, item.accepted_version)
            returned[Label.PRODUCTION] = item.production_before
            base, accepted = await _configs(session, caller, item)
            await move_current(session, caller, before=accepted, after=base)
        await set_labels(session, agent, returned)
    watch = await find_watch(session, caller, changeset_id, for_update=True)
    if watch is not None and watch.status is WatchStatus.WATCHING:
        await move(session, watch, WatchStatus.STOPPED, reason="The changeset was rolled back.")
        await publish(session, watch_ended(caller, changeset, watch))
    await _remember(session, caller, changeset, came_from=came_from, reason=reason)
    return await queries.get_changeset(session, caller, changeset_id)


async def comment_on_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID, *, comment: str) -> Changeset:
    """Add a remark to the decision log, whatever the status."""
    changeset, _ = await lock_changeset(session, caller, changeset_id)
    changeset.explainability = _explained(changeset, caller, comment)
    await session.flush()
    await record(session, caller, action="changeset.commented", resource="changeset", resource_id=changeset_id)
    return await queries.get_changeset(session, caller, changeset_id)


async def _item(session: AsyncSession, caller: Caller, change: ProposedChange) -> ChangesetItem:
    agent = await agents.get_agent(session, caller, change.agent_id)
    base = await agents.get_config_version(session, caller, change.agent_id, change.base_version)
    return ChangesetItem(
        workspace_id=caller.workspace,
        agent_id=agent.id,
        agent_name=agent.name,
        base_version=change.base_version,
        proposed_config=change.proposed_config,
        diff=diff_configs(base.config, change.proposed_config),
        strategy=change.strategy,
        rationale=change.rationale,
        cluster_signatures=change.cluster_signatures,
    )


async def lock_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID) -> tuple[Changeset, dict[UUID, Agent]]:
    """The changeset as it is once everybody who decides about the same agents is done, and those agents that still exist."""
    changeset = await queries.get_changeset(session, caller, changeset_id)
    concerned = await lock_agents(session, caller, changeset.agent_ids)
    await session.execute(select(Changeset.id).where(Changeset.id == changeset_id).with_for_update())
    return await queries.get_changeset(session, caller, changeset_id), concerned


async def _require_autonomy(session: AsyncSession, caller: Caller, decision: str, *, forbidden_by: set[AutonomyMode]) -> None:
    mode = (await get_policy(session, caller, Autonomy)).mode
    if mode in forbidden_by:
        raise AutonomyForbids(mode, decision)


async def _configs(session: AsyncSession, caller: Caller, item: ChangesetItem) -> tuple[AgentConfig, AgentConfig]:
    """What an accepted item was made from, and what accepting it made."""
    assert item.accepted_version is not None, "a changeset that was accepted knows the versions that it made"
    base = await agents.get_config_version(session, caller, item.agent_id, item.base_version)
    accepted = await agents.get_config_version(session, caller, item.agent_id, item.accepted_version)
    return base.config, accepted.config


def _present(concerned: dict[UUID, Agent], item: ChangesetItem) -> Agent:
    if item.agent_id not in concerned:
        raise AgentNotFound(item.agent_id)
    return concerned[item.agent_id]


def _require_label(item: ChangesetItem, label: Label, labels: dict[Label, int], expected: int | None) -> int:
    """The version that the changeset left the label on. Raises ``StaleChangeset`` if it is elsewhere now."""
    assert expected is not None, "a changeset that was accepted knows the versions that it made"
    if labels.get(label) != expected:
        raise StaleChangeset(item.agent_id, label, expected=expected, current=labels.get(label))
    return expected


async def _require_simulated(session: AsyncSession, caller: Caller, agent: Agent, labels: dict[Label, int]) -> None:
    for version in sorted(set(labels.values())):
        config = (await agents.get_config_version(session, caller, agent.id, version)).config
        if not is_simulated(config.hyperparameters.model):
            raise SimulatedEvidence(agent.id, config.hyperparameters.model)


async def _supersede_others(session: AsyncSession, accepted: Changeset) -> Sequence[Changeset]:
    """End other proposals for the same agents: their base is not what is approved any more."""
    rows = await session.scalars(
        Changeset.in_workspace(accepted.workspace_id)
        .where(
            Changeset.id != accepted.id,
            Changeset.status == ChangesetStatus.PROPOSED,
            Changeset.items.any(ChangesetItem.agent_id.in_(accepted.agent_ids)),
        )
        .order_by(Changeset.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    others = rows.all()
    for other in others:
        entry = Decision(at=clock.now(), actor="system", entry=_superseded_by(accepted))
        await move(
            session,
            other,
            ChangesetStatus.SUPERSEDED,
            superseded_by_id=accepted.id,
            explainability=other.explainability.decided(entry),
        )
    return others


def _superseded_by(accepted: Changeset) -> str:
    return f"Superseded: changeset {accepted.id} was accepted on the same agents."


def _logged(changeset: Changeset, caller: Caller, reason: str | None) -> dict[str, Explainability]:
    """The column that changes with a move for which somebody gives a reason."""
    return {} if reason is None else {"explainability": _explained(changeset, caller, reason)}


def _explained(changeset: Changeset, caller: Caller, entry: str) -> Explainability:
    actor = str(caller.kind) if caller.id is None else f"{caller.kind}:{caller.id}"
    return changeset.explainability.decided(Decision(at=clock.now(), actor=actor, entry=entry))


async def _remember(
    session: AsyncSession,
    caller: Caller,
    changeset: Changeset,
    *,
    came_from: ChangesetStatus | None,
    reason: str | None = None,
    **detail: Any,
) -> None:
    """Tell of a move, and write it into the audit log."""
    await _tell(session, caller, changeset, came_from=came_from, reason=reason)
    await record(
        session,
        caller,
        action=f"changeset.{changeset.status}",
        resource="changeset",
        resource_id=changeset.id,
        scan_id=str(changeset.scan_id),
        **detail,
    )


async def _tell(
    session: AsyncSession, caller: Caller, changeset: Changeset, *, came_from: ChangesetStatus | None, reason: str | None
) -> None:
    """Write a move into the changeset's history, and publish it."""
    session.add(
        ChangesetMove(
            workspace_id=changeset.workspace_id,
            changeset_id=changeset.id,
            from_status=came_from,
            to_status=changeset.status,
            actor_kind=caller.kind,
            actor_id=caller.id,
            reason=reason,
        )
    )
    await session.flush()
    await publish(
        session,
        ChangesetMoved(
            account_id=caller.account_id,
            workspace_id=changeset.workspace_id,
            changeset_id=changeset.id,
            scan_id=changeset.scan_id,
            status=changeset.status,
            came_from=came_from,
            outcome=changeset.outcome,
            risk=changeset.risk,
            simulated=changeset.simulated,
        ),
    )
