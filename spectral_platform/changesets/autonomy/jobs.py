"""What the worker does under `bounded_auto`: decides about proposals, and watches what it applied.

Each order is carried out in one transaction: the decision, its history, the watch and the order of the next check are there
together or not at all, so a worker may be killed anywhere. An order that is carried out again finds that it was.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.changesets.autonomy.bounds import read_proof, reasons_against
from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.autonomy.monitoring import Metric, Reading, Reference, find_regression
from spectral_platform.changesets.autonomy.news import watch_ended
from spectral_platform.changesets.autonomy.queries import count_applied_today, find_watch
from spectral_platform.changesets.autonomy.states import WatchStatus
from spectral_platform.changesets.autonomy.watching import begin_watch, find_references, order_next_check, read_production
from spectral_platform.changesets.autonomy.work import CheckWatch, DecideChangeset
from spectral_platform.changesets.commands import accept_changeset, apply_changeset, lock_changeset, rollback_changeset
from spectral_platform.changesets.errors import ChangesetNotFound
from spectral_platform.changesets.explainability import Decision
from spectral_platform.changesets.models import Changeset
from spectral_platform.changesets.queries import get_changeset
from spectral_platform.changesets.states import ChangesetStatus
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, system_caller
from spectral_platform.core.errors import BusinessRuleViolationError, InvalidTransitionError, NotFoundError
from spectral_platform.core.jobs import JobContext, job, publish
from spectral_platform.core.lifecycle import move
from spectral_platform.workspaces.policies.autonomy import Autonomy, AutonomyMode
from spectral_platform.workspaces.policies.queries import get_policy, lock_policy
from spectral_platform.workspaces.queries import is_alive

BY_SYSTEM = "system"
LEFT_TO_PEOPLE = "Left to people: "
REFUSALS = (BusinessRuleViolationError, InvalidTransitionError, NotFoundError)
"""What may stand against a decision by now; none of it is a fault."""


@job(DecideChangeset)
async def decide_changeset(context: JobContext, work: DecideChangeset) -> None:
    """Accept and apply it if every bound is kept and production can be watched; else leave it to people, and say why."""
    caller = system_caller(work.account_id, work.workspace_id)
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        if not await is_alive(session, account_id=work.account_id, workspace_id=work.workspace_id):
            return
        changeset = await _find_changeset(session, caller, work.changeset_id)
        # Nobody changes the policy, and no other decision begins, until this one is taken.
        policy = await lock_policy(session, caller, Autonomy)
        if changeset is None or not _is_undecided(changeset) or policy.mode is not AutonomyMode.BOUNDED_AUTO:
            return
        window = timedelta(seconds=policy.watch_window_s)
        references = await find_references(session, caller, changeset, window=window)
        reasons = [
            *reasons_against(
                read_proof(changeset.verdict),
                policy.bounds,
                risk=changeset.risk,
                agent_ids=changeset.agent_ids,
                applied_today=await count_applied_today(session, caller),
            ),
            *_unwatchable(changeset, references),
        ]
        if not reasons:
            reasons = await _apply(session, caller, changeset, references, window=window)
        if reasons:
            await _leave_to_people(session, caller, work.changeset_id, "; ".join(reasons))


@job(CheckWatch)
async def check_watch(context: JobContext, work: CheckWatch) -> None:
    """Look at production once: roll back on a regression, end the watch when its time is over, else order the next check."""
    caller = system_caller(work.account_id, work.workspace_id)
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        watch = await find_watch(session, caller, work.changeset_id)
        if watch is None:
            return
        changeset = await get_changeset(session, caller, work.changeset_id)
        readings = await read_production(session, caller, changeset, watch)  # before anything is locked: it may take a second
        changeset, _ = await lock_changeset(session, caller, work.changeset_id)
        watch = await find_watch(session, caller, work.changeset_id, for_update=True)
        if watch is None or watch.status is not WatchStatus.WATCHING or watch.checks >= work.number:
            return
        watch.checks, watch.checked_at, watch.readings = work.number, clock.now(), readings
        if not await is_alive(session, account_id=work.account_id, workspace_id=work.workspace_id):
            await order_next_check(session, caller, watch)  # a deleted workspace may be restored
            return
        mode = (await get_policy(session, caller, Autonomy)).mode
        regression = find_regression(watch.baseline, readings)
        if mode is not AutonomyMode.BOUNDED_AUTO:
            await _end(session, caller, changeset, watch, WatchStatus.STOPPED, f"The workspace decides by {mode} now.")
        elif regression is not None:
            await _roll_back(session, caller, changeset, watch, regression)
        elif clock.now() >= watch.ends_at:
            seen = max((reading.traces for reading in readings), default=0)
            await _end(
                session, caller, changeset, watch, WatchStatus.KEPT, f"No regression showed in {seen} traces; the change stays."
            )
        else:
            await order_next_check(session, caller, watch)


async def _find_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID) -> Changeset | None:
    try:
        return await get_changeset(session, caller, changeset_id)
    except ChangesetNotFound:
        return None


def _is_undecided(changeset: Changeset) -> bool:
    entries = changeset.explainability.decision_log
    was_left = any(entry.actor == BY_SYSTEM and entry.entry.startswith(LEFT_TO_PEOPLE) for entry in entries)
    return changeset.status is ChangesetStatus.PROPOSED and not was_left


def _unwatchable(changeset: Changeset, references: tuple[Reference, ...]) -> list[str]:
    watched = {reference.agent_id for reference in references if reference.metric is Metric.ERRORS}
    return [
        f"{item.agent_name} had too few traces in production for a regression to be noticed"
        for item in changeset.items
        if item.agent_id not in watched
    ]


async def _apply(
    session: AsyncSession, caller: Caller, changeset: Changeset, references: tuple[Reference, ...], *, window: timedelta
) -> list[str]:
    """Accept, apply and begin to watch. Returns what stood against it, after which nothing has changed."""
    reason = f"Every bound of bounded_auto is kept; production is watched until {clock.now() + window:%Y-%m-%d %H:%M} UTC."
    try:
        async with session.begin_nested():
            await accept_changeset(session, caller, changeset.id, reason=reason)
            await apply_changeset(session, caller, changeset.id, reason=reason)
            await begin_watch(session, caller, changeset, references, window=window)
    except REFUSALS as refusal:
        return [refusal.detail]
    return []


async def _leave_to_people(session: AsyncSession, caller: Caller, changeset_id: UUID, reason: str) -> None:
    changeset, _ = await lock_changeset(session, caller, changeset_id)
    await _log(session, caller, changeset, f"{LEFT_TO_PEOPLE}{reason}.", action="changeset.left_to_people")


async def _roll_back(
    session: AsyncSession, caller: Caller, changeset: Changeset, watch: ChangesetWatch, regression: Reading
) -> None:
    reference = next(each for each in watch.baseline if each.subject == regression.subject)
    reason = (
        f"Production shows a regression in {regression.metric}: {regression.bad} of {regression.traces} traces since the change "
        f"against {reference.bad} of {reference.traces} before; up to {reference.allowed:.1%} were allowed "
        f"(evidence {regression.evidence:.3g}, needed {watch.evidence_needed:.3g})."
    )
    try:
        async with session.begin_nested():
            await _end(session, caller, changeset, watch, WatchStatus.ROLLED_BACK, reason, is_logged=False)
            await rollback_changeset(session, caller, changeset.id, reason=reason)
    except REFUSALS as refusal:
        await session.refresh(watch)
        changeset, _ = await lock_changeset(session, caller, changeset.id)
        await _end(session, caller, changeset, watch, WatchStatus.STOPPED, f"{reason} It cannot be undone: {refusal.detail}")


async def _end(
    session: AsyncSession,
    caller: Caller,
    changeset: Changeset,
    watch: ChangesetWatch,
    status: WatchStatus,
    reason: str,
    *,
    is_logged: bool = True,
) -> None:
    await session.flush()
    await move(session, watch, status, reason=reason)
    if is_logged:
        await _log(session, caller, changeset, reason, action=f"changeset.watch_{status}")
    await publish(session, watch_ended(caller, changeset, watch))


async def _log(session: AsyncSession, caller: Caller, changeset: Changeset, entry: str, *, action: str) -> None:
    """Add what the system decided to the decision log and to the audit log."""
    decision = Decision(at=clock.now(), actor=BY_SYSTEM, entry=entry)
    changeset.explainability = changeset.explainability.decided(decision)
    await session.flush()
    await record(session, caller, action=action, resource="changeset", resource_id=changeset.id)
