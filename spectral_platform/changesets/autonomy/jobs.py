"""What the worker does under `bounded_auto`: decides about proposals, and watches what it applied.

Each order is carried out in one transaction: the decision, its history, the watch and the order of the next check are there
together or not at all, so a worker may be killed anywhere. An order that is carried out again finds that it was.
"""

import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents import queries as agents
from spectral_platform.agents.versions import Label
from spectral_platform.audit.commands import record
from spectral_platform.changesets.autonomy.bounds import read_proof, reasons_against
from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.autonomy.monitoring import (
    Metric,
    Reading,
    Reference,
    find_regression,
    find_untold,
    is_enough,
)
from spectral_platform.changesets.autonomy.news import watch_ended
from spectral_platform.changesets.autonomy.queries import count_applied_today, find_turned_down, find_watch, find_watched
from spectral_platform.changesets.autonomy.states import WatchStatus
from spectral_platform.changesets.autonomy.watching import (
    begin_watch,
    find_references,
    follow_agents,
    order_next_check,
    read_production,
)
from spectral_platform.changesets.autonomy.work import CheckWatch, DecideChangeset
from spectral_platform.changesets.commands import (
    accept_changeset,
    apply_changeset,
    lock_changeset,
    rollback_changeset,
)
from spectral_platform.changesets.errors import ChangesetNotFound, StaleChangeset
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


async def leave_undecided(context: JobContext, work: DecideChangeset) -> None:
    """After a decision that failed for good, say so where people look, and leave it to them."""
    caller = system_caller(work.account_id, work.workspace_id)
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        if await _find_changeset(session, caller, work.changeset_id) is not None:
            await _leave_to_people(session, caller, work.changeset_id, "the decision failed; the worker's log says why")


@job(DecideChangeset, on_failure=leave_undecided)
async def decide_changeset(context: JobContext, work: DecideChangeset) -> None:
    """Accept and apply it if every bound is kept and production can be watched; else leave it to people, and say why."""
    caller = system_caller(work.account_id, work.workspace_id)
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        if not await is_alive(session, account_id=work.account_id, workspace_id=work.workspace_id):
            return
        # Nobody changes the policy, and no other decision begins, until this one is taken.
        policy = await lock_policy(session, caller, Autonomy)
        changeset = await _find_changeset(session, caller, work.changeset_id)
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
            *await _history_against(session, caller, changeset),
        ]
        if not reasons:
            reasons = await _apply(session, caller, changeset, references, window=window)
        if reasons:
            await _leave_to_people(session, caller, work.changeset_id, "; ".join(reasons))


async def look_again(context: JobContext, work: CheckWatch) -> None:
    """After a check that failed for good, order the next one; when the time is over, say that nobody looked."""
    caller = system_caller(work.account_id, work.workspace_id)
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        changeset, watch = await _hold_watch(session, caller, work)
        if changeset is None or watch is None:
            return
        watch.checks = work.number
        if clock.now() < watch.ends_at:
            await order_next_check(session, caller, watch)
        else:
            await _end(session, caller, changeset, watch, WatchStatus.STOPPED, "The last look at production failed.")


@job(CheckWatch, on_failure=look_again)
async def check_watch(context: JobContext, work: CheckWatch) -> None:
    """Look at production once: roll back on a regression, end the watch when its time is over, else order the next check."""
    caller = system_caller(work.account_id, work.workspace_id)
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        watch = await find_watch(session, caller, work.changeset_id)
        if watch is None:
            return
        # Before anything is locked: it may take some seconds.
        began = time.monotonic()
        changeset = await get_changeset(session, caller, work.changeset_id)
        references = await follow_agents(session, caller, watch.baseline)
        readings = await read_production(session, caller, changeset, watch, references)
        took = timedelta(seconds=time.monotonic() - began)
        held, watch = await _hold_watch(session, caller, work)
        if held is None or watch is None:
            return
        watch.checks, watch.checked_at, watch.baseline, watch.readings = work.number, clock.now(), references, readings
        is_over = clock.now() >= watch.ends_at
        if not await is_alive(session, account_id=work.account_id, workspace_id=work.workspace_id):
            # It may be restored; but nothing is rolled back, and nothing looked at without an end, where nobody works.
            if is_over:
                await _end(session, caller, held, watch, WatchStatus.STOPPED, "The workspace was deleted meanwhile.")
            else:
                await order_next_check(session, caller, watch, took=took)
            return
        mode = (await get_policy(session, caller, Autonomy)).mode
        regression = find_regression(references, readings)
        if mode is not AutonomyMode.BOUNDED_AUTO:
            await _end(session, caller, held, watch, WatchStatus.STOPPED, f"The workspace decides by {mode} now.")
        elif regression is not None:
            await _roll_back(session, caller, held, watch, regression)
        elif is_over:
            await _end(session, caller, held, watch, *_conclude(references, readings))
        else:
            await order_next_check(session, caller, watch, took=took)


async def _hold_watch(
    session: AsyncSession, caller: Caller, work: CheckWatch
) -> tuple[Changeset, ChangesetWatch] | tuple[None, None]:
    """The watched changeset and its watch, both locked; nothing where this check was made already or none is needed."""
    if await find_watch(session, caller, work.changeset_id) is None:
        return None, None
    changeset, _ = await lock_changeset(session, caller, work.changeset_id)
    watch = await find_watch(session, caller, work.changeset_id, for_update=True)
    if watch is None or watch.status is not WatchStatus.WATCHING or watch.checks >= work.number:
        return None, None
    return changeset, watch


def _conclude(references: tuple[Reference, ...], readings: tuple[Reading, ...]) -> tuple[WatchStatus, str]:
    """How a watch whose time is over ends without a regression, and why: a silence is no success."""
    seen = {reading.agent_id: reading.traces for reading in readings if reading.metric is Metric.ERRORS}
    came = [(each, seen.get(each.agent_id, 0)) for each in references if each.metric is Metric.ERRORS]
    if too_few := [traces for each, traces in came if not is_enough(references, each, traces)]:
        return WatchStatus.INCONCLUSIVE, f"Only {min(too_few)} traces came, too few for a regression to show; the change stays."
    if untold := find_untold(references, readings):
        what = f"{untold.metric} of {untold.traces} traces alone is told, a smaller share than before"
        return WatchStatus.INCONCLUSIVE, f"The {what}: a regression may not show; the change stays."
    return WatchStatus.KEPT, f"No regression showed in {min(traces for _, traces in came)} traces; the change stays."


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


async def _history_against(session: AsyncSession, caller: Caller, changeset: Changeset) -> list[str]:
    """What was decided before that the system does not decide over: what people or production turned down, what is on trial."""
    names = {item.agent_id: item.agent_name for item in changeset.items}
    watched = await find_watched(session, caller, changeset.agent_ids)
    turned_down = await find_turned_down(session, caller, changeset)
    return [
        *(f"production is still watched because of the last change to {names[agent_id]}" for agent_id in sorted(watched)),
        *(f"the same config was {status} before, in changeset {other}" for other, status in turned_down),
    ]


async def _apply(
    session: AsyncSession, caller: Caller, changeset: Changeset, references: tuple[Reference, ...], *, window: timedelta
) -> list[str]:
    """Accept, apply and begin to watch. Returns what stood against it, after which nothing has changed."""
    reason = f"Every bound of bounded_auto is kept; production is watched until {clock.now() + window:%Y-%m-%d %H:%M} UTC."
    try:
        async with session.begin_nested():
            await _require_in_production(session, caller, changeset)
            await accept_changeset(session, caller, changeset.id, reason=reason)
            await apply_changeset(session, caller, changeset.id, reason=reason)
            await begin_watch(session, caller, changeset, references, window=window)
    except REFUSALS as refusal:
        return [refusal.detail]
    return []


async def _require_in_production(session: AsyncSession, caller: Caller, changeset: Changeset) -> None:
    """Raise ``StaleChangeset`` unless what runs is what the changeset was compared with.

    Where an approved version was never applied, that the proposal is better than that one says nothing of what runs.
    """
    await lock_changeset(session, caller, changeset.id)
    for item in changeset.items:
        runs = (await agents.list_labels(session, caller, item.agent_id)).get(Label.PRODUCTION)
        if runs != item.base_version:
            raise StaleChangeset(item.agent_id, Label.PRODUCTION, expected=item.base_version, current=runs)


async def _leave_to_people(session: AsyncSession, caller: Caller, changeset_id: UUID, reason: str) -> None:
    changeset, _ = await lock_changeset(session, caller, changeset_id)
    if not _is_undecided(changeset):  # somebody was quicker
        return
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
