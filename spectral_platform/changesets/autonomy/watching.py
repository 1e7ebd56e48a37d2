"""Watching production after the system applied a changeset. Imported by worker processes only.

Every check counts anew what happened since the change, so a check that is made twice, late, or not at all changes nothing about
what the next one finds. Its counts enter an e-process, which may be looked at as often as one likes.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents import queries as agents
from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.autonomy.monitoring import (
    LEAST_TRACES,
    TOLERANCE,
    Metric,
    Reading,
    Reference,
    Tally,
    level,
    threshold,
    weigh,
)
from spectral_platform.changesets.autonomy.queries import tally_before, tally_since
from spectral_platform.changesets.autonomy.work import CheckWatch
from spectral_platform.changesets.models import Changeset
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.jobs import enqueue
from spectral_platform.statistics.bounds import clopper_pearson_upper

SHORTEST_BEFORE = timedelta(days=7)
CHECKS = 50
SOONEST, LATEST = timedelta(seconds=5), timedelta(minutes=5)
REST = 200
"""So many times as long as a check took is waited for the next, at least."""


async def find_references(
    session: AsyncSession, caller: Caller, changeset: Changeset, *, window: timedelta
) -> tuple[Reference, ...]:
    """What the agents showed in production until now, over at least a week; metrics with few traces are left out."""
    now = clock.now()
    since = now - max(window, SHORTEST_BEFORE)
    tallies = [
        tally
        for agent_id in changeset.agent_ids
        for tally in await tally_before(session, caller, agent_id, since=since, until=now)
    ]
    return make_references(tallies)


def make_references(tallies: Sequence[Tally]) -> tuple[Reference, ...]:
    """The shares before a change with what each may rise to.

    The bound of Clopper and Pearson also holds for the share above a value that was read off the same traces: how many values lie
    above an order statistic has the same distribution (Wilks 1941, Annals of Mathematical Statistics 12(1)).
    """
    enough = [tally for tally in tallies if tally.traces >= LEAST_TRACES]
    return tuple(
        Reference(
            **tally.model_dump(),
            allowed=min(1.0, clopper_pearson_upper(tally.bad, tally.traces, level(len(enough))) + TOLERANCE[tally.metric]),
        )
        for tally in enough
    )


async def begin_watch(
    session: AsyncSession, caller: Caller, changeset: Changeset, references: Sequence[Reference], *, window: timedelta
) -> None:
    """Watch what was just applied, and order the first check."""
    now = clock.now()
    watch = ChangesetWatch(
        workspace_id=caller.workspace,
        changeset_id=changeset.id,
        began_at=now,
        ends_at=now + window,
        evidence_needed=threshold(references),
        baseline=tuple(references),
    )
    session.add(watch)
    await session.flush()
    await order_next_check(session, caller, watch)


def pause(window: timedelta, took: timedelta) -> timedelta:
    """How long to wait between two checks, of which the last one took so long.

    Counting millions of traces for weeks must not keep the database busy.
    """
    return max(took * REST, min(LATEST, max(SOONEST, window / CHECKS)))


async def order_next_check(
    session: AsyncSession, caller: Caller, watch: ChangesetWatch, *, took: timedelta = timedelta()
) -> None:
    """Order the check after those that were made, at the latest for when the watch ends. The last one ``took`` so long."""
    work = CheckWatch(
        account_id=caller.account_id, workspace_id=caller.workspace, changeset_id=watch.changeset_id, number=watch.checks + 1
    )
    await enqueue(
        session, work, at=min(clock.now() + pause(watch.ends_at - watch.began_at, took), max(watch.ends_at, clock.now()))
    )


async def follow_agents(session: AsyncSession, caller: Caller, baseline: Sequence[Reference]) -> tuple[Reference, ...]:
    """What was frozen before, of the agents that they are by now: one may have been merged into another."""
    current = await agents.list_current_ids(session, caller, {reference.agent_id for reference in baseline})
    return tuple(
        reference.model_copy(update={"agent_id": current.get(reference.agent_id, reference.agent_id)}) for reference in baseline
    )


async def read_production(
    session: AsyncSession, caller: Caller, changeset: Changeset, watch: ChangesetWatch, baseline: Sequence[Reference]
) -> tuple[Reading, ...]:
    """What the changed agents' traces since then say, against what was frozen before."""
    references = {reference.subject: reference for reference in baseline}
    readings: list[Reading] = []
    for item in changeset.items:
        if item.accepted_version is None:
            continue
        limits: dict[Metric, float] = {
            metric: reference.limit
            for (agent_id, metric), reference in references.items()
            if agent_id == item.agent_id and reference.limit is not None
        }
        tallies = await tally_since(
            session,
            caller,
            item.agent_id,
            version=item.accepted_version,
            since=watch.began_at,
            until=min(clock.now(), watch.ends_at),
            limits=limits,
        )
        readings += [weigh(references[tally.subject], tally) for tally in tallies if tally.subject in references]
    return tuple(readings)
