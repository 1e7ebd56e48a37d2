"""What the worker does for traces: gives those of an agent that was merged to the one that it was merged into.

Some hundred traces at a time and each time under their locks, as ingestion takes them, so that nobody waits for long and no span
is missed. Nothing is stored under the old id any more: the merge waited for what was under way, and ingestion knows of it since.
"""

from uuid import UUID

from sqlalchemy import exists, or_, select, update

from spectral_platform.agents.news import AGENT_MERGED
from spectral_platform.core.jobs import JobContext, enqueue, job
from spectral_platform.traces.models import Span, Trace
from spectral_platform.traces.work import AdoptTraces, FollowMerge

TRACES_AT_ONCE = 500
ROUNDS = 20
"""After so many the rest is ordered anew: others wait for the worker, too."""


@job(FollowMerge)
async def follow_merge(context: JobContext, work: FollowMerge) -> None:
    """Order the traces of the merged agent to be taken over."""
    assert work.event == AGENT_MERGED
    assert work.workspace_id is not None
    order = AdoptTraces(
        account_id=work.account_id,
        workspace_id=work.workspace_id,
        agent_id=UUID(str(work.facts["agent_id"])),
        into_id=UUID(str(work.facts["into_id"])),
    )
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        await enqueue(session, order)


@job(AdoptTraces)
async def adopt_traces(context: JobContext, work: AdoptTraces) -> None:
    """Take over the next thousands of traces, and order the rest if there is one."""
    for _ in range(ROUNDS):
        last = await _adopt(context, work)
        if last is None:
            return
        work = work.model_copy(update={"after": last})
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        await enqueue(session, work)


async def _adopt(context: JobContext, work: AdoptTraces) -> str | None:
    """Take over the next traces. Returns the last of them, or None when there are no more."""
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        has_spans = exists().where(
            Span.workspace_id == Trace.workspace_id,
            Span.day == Trace.day,
            Span.trace_id == Trace.trace_id,
            Span.agent_id == work.agent_id,
        )
        # Found first and locked then: finding the next few among a million takes long, and ingestion would wait for the first.
        found = await session.scalars(
            select(Trace.trace_id)
            .where(Trace.workspace_id == work.workspace_id, Trace.trace_id > work.after)
            .where(or_(Trace.agent_id == work.agent_id, has_spans))
            .order_by(Trace.trace_id)
            .limit(TRACES_AT_ONCE)
        )
        trace_ids = found.all()
        if not trace_ids:
            return None
        locked = await session.execute(
            select(Trace.day)
            .where(Trace.workspace_id == work.workspace_id, Trace.trace_id.in_(trace_ids))
            .order_by(Trace.trace_id)
            .with_for_update(key_share=True)
        )
        for rows in (
            update(Span).where(
                Span.workspace_id == work.workspace_id,
                Span.day.in_(set(locked.scalars())),
                Span.trace_id.in_(trace_ids),
                Span.agent_id == work.agent_id,
            ),
            update(Trace).where(
                Trace.workspace_id == work.workspace_id, Trace.trace_id.in_(trace_ids), Trace.agent_id == work.agent_id
            ),
        ):
            await session.execute(rows.values(agent_id=work.into_id).execution_options(synchronize_session=False))
        return trace_ids[-1]
