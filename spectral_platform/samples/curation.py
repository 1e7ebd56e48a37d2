"""Samples from traces: what the agent was really asked, without asking the same thing twice."""

import asyncio
from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.samples import queries
from spectral_platform.samples.content import LONGEST_TAG, LONGEST_TEXT, MOST_TAGS, SampleContent
from spectral_platform.samples.models import SampleSet
from spectral_platform.samples.near_duplicates import distinct_texts
from spectral_platform.traces.listing import PLAN_AS_USUAL
from spectral_platform.traces.models import Trace
from spectral_platform.traces.queries import TraceTexts, list_texts, list_traces
from spectral_platform.traces.selection import Position, TraceFilter

TRACES_PER_SAMPLE = 5
"""So many traces are looked at for each sample that is wanted, the newest first."""
TRACES_AT_ONCE = 200


async def find_traces(
    session: AsyncSession, caller: Caller, *, where: TraceFilter, at_most: int, among: Sequence[str] | None = None
) -> list[Trace]:
    """The newest traces that the filter lets through, of these or of all."""
    found: list[Trace] = []
    after: Position | None = None
    while len(found) < at_most:
        limit = min(TRACES_AT_ONCE, at_most - len(found))
        page = await list_traces(session, caller, where=where, limit=limit, after=after, among=among)
        found.extend(page.results)
        if page.next_cursor is None:
            break
        after = Position.decode(page.next_cursor)
    await session.execute(PLAN_AS_USUAL)
    return found


async def curate(
    session: AsyncSession,
    caller: Caller,
    sample_set: SampleSet,
    *,
    where: TraceFilter,
    dedupe: bool,
    at_most: int,
    among: Sequence[str] | None = None,
) -> tuple[dict[str, SampleContent], dict[str, str]]:
    """Up to ``at_most`` samples of traces, of these or of all, and the reasons for which traces were refused; both by trace id.

    The input is what the trace was asked, the context what its retrieval spans found, and the expected output a correction that
    somebody gave as feedback. With ``dedupe`` a near-duplicate of a sample of the set, or of a newer trace, is left out.
    """
    traces = await find_traces(session, caller, where=where, at_most=TRACES_PER_SAMPLE * at_most, among=among)
    contents, reasons = await _read(session, caller, traces)
    if dedupe:
        texts = {trace_id: content.input_text for trace_id, content in contents.items()}
        known = [sample.content.input_text for sample in await queries.list_all_samples(session, sample_set)]
        distinct = await asyncio.to_thread(distinct_texts, texts, known)
        reasons |= dict.fromkeys(contents.keys() - set(distinct), "nearly the same as another sample")
        contents = {trace_id: contents[trace_id] for trace_id in distinct}
    return dict(list(contents.items())[:at_most]), reasons


async def _read(
    session: AsyncSession, caller: Caller, traces: Sequence[Trace]
) -> tuple[dict[str, SampleContent], dict[str, str]]:
    contents: dict[str, SampleContent] = {}
    reasons: dict[str, str] = {}
    texts = await list_texts(session, caller, [trace.trace_id for trace in traces])
    for trace in traces:
        if trace.trace_id not in texts or not texts[trace.trace_id].input:
            reasons[trace.trace_id] = "it has no input"
            continue
        try:
            contents[trace.trace_id] = _content_of(trace, texts[trace.trace_id])
        except ValidationError:
            reasons[trace.trace_id] = f"its input or correction is longer than {LONGEST_TEXT} characters"
    return contents, reasons


def _content_of(trace: Trace, texts: TraceTexts) -> SampleContent:
    origin = {"agent_name": trace.agent_name, "workflow": trace.workflow}
    return SampleContent.model_validate(
        {
            "input": texts.input,
            "expected_output": texts.corrected_output,
            "context": texts.retrieved[:LONGEST_TEXT] if texts.retrieved else None,
            "metadata": {name: value for name, value in origin.items() if value is not None},
            "tags": [tag[:LONGEST_TAG] for tag in trace.tags if tag][:MOST_TAGS],
            "source_trace_id": trace.trace_id,
        }
    )
