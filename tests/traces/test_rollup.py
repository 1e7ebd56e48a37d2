"""A trace is the sum of its spans, however they arrive."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spectral_platform.core.database import Database
from spectral_platform.traces.models import TraceStatus
from spectral_platform.traces.spans import MODEL_KINDS, SpanDraft, SpanKind, SpanStatus
from tests.fixtures.callers import Person
from tests.traces.factories import START, call, draft, new_trace_id, rolled_up, store, trace_of

PRICE = Decimal("0.00014")
"""Of one simulated call: 100 tokens at 1 USD and 10 at 4 USD a million."""


async def test_a_trace_spans_from_its_first_beginning_to_its_last_end(database: Database, owner: Person) -> None:
    trace_id = new_trace_id()
    late = draft(trace_id, 9, 1, ended_at=START + timedelta(milliseconds=1234.9))

    await store(database, owner, [late, draft(trace_id, 1)])

    trace = await trace_of(database, owner, trace_id)
    assert (trace.started_at, trace.duration_ms) == (START + timedelta(milliseconds=1), 1233)
    assert (trace.name, trace.span_count) == ("span 1", 2)


async def test_tokens_and_costs_of_model_calls_are_summed(database: Database, owner: Person) -> None:
    trace_id = new_trace_id()
    spans = [
        draft(trace_id, 1, kind=SpanKind.AGENT, input_tokens=999, cost_usd=Decimal(9)),
        call(trace_id, 2, 1),
        call(trace_id, 3, 1),
    ]

    await store(database, owner, spans)

    trace = await trace_of(database, owner, trace_id)
    assert (trace.input_tokens, trace.output_tokens, trace.total_tokens) == (200, 20, 220)
    assert (trace.cost_usd, trace.unpriced_spans) == (2 * PRICE, 0)


async def test_a_wrapper_around_a_model_call_is_not_counted_again(database: Database, owner: Person) -> None:
    trace_id = new_trace_id()
    spans = [call(trace_id, 1), draft(trace_id, 2, 1, kind=SpanKind.CHAIN), call(trace_id, 3, 2), call(trace_id, 4)]

    await store(database, owner, spans)

    trace = await trace_of(database, owner, trace_id)
    assert (trace.total_tokens, trace.cost_usd) == (220, 2 * PRICE)


async def test_two_spans_that_know_the_same_answer_at_the_same_time_tell_of_one_call(database: Database, owner: Person) -> None:
    trace_id = new_trace_id()
    doubled = [replace(call(trace_id, number), response_id="answer") for number in (1, 3)]
    much_later = replace(call(trace_id, 90), response_id="answer")  # as of a model server that gives every answer the same id

    await store(database, owner, doubled)
    assert (await trace_of(database, owner, trace_id)).total_tokens == 110
    await store(database, owner, [much_later])

    trace = await trace_of(database, owner, trace_id)
    assert (trace.total_tokens, trace.cost_usd) == (220, 2 * PRICE)


async def test_a_model_span_around_silent_ones_counts(database: Database, owner: Person) -> None:
    trace_id = new_trace_id()

    await store(database, owner, [call(trace_id, 1), draft(trace_id, 2, 1, kind=SpanKind.LLM, model="sim/standard")])

    assert (await trace_of(database, owner, trace_id)).total_tokens == 110


async def test_an_unknown_price_is_null_and_counted(database: Database, owner: Person) -> None:
    unknown, mixed, silent = new_trace_id(), new_trace_id(), new_trace_id()

    await store(database, owner, [call(unknown, 1, model="house/blend")])
    await store(database, owner, [call(mixed, 1, model="house/blend"), call(mixed, 2)])
    await store(database, owner, [draft(silent, 1)])

    assert await costs(database, owner, unknown) == (None, 1, 110)
    assert await costs(database, owner, mixed) == (PRICE, 1, 220)
    assert await costs(database, owner, silent) == (None, 0, None)


async def costs(database: Database, owner: Person, trace_id: str) -> tuple[Decimal | None, int, int | None]:
    trace = await trace_of(database, owner, trace_id)
    return trace.cost_usd, trace.unpriced_spans, trace.total_tokens


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"model": "sim/standard"}, PRICE),
        ({"model": "sim/standard", "cost_usd": Decimal("0.5")}, Decimal("0.5")),
        ({"model": "sim/standard", "cost_usd": Decimal(0)}, Decimal(0)),
        ({"model": "gpt-4o-mini", "provider": "openai"}, Decimal("0.000021")),
        ({"model": "gpt-4o-mini-2024-07-18"}, Decimal("0.000021")),
        ({"model": "gpt-4o-mini", "provider": "openai", "cached_input_tokens": 40}, Decimal("0.000018")),
        ({"model": "gpt-4o-mini", "provider": "our-own-gateway"}, None),
        ({"model": None}, None),
        ({"model": "gpt-4o-mini", "input_tokens": 10, "cached_input_tokens": 40}, None),
    ],
)
async def test_a_call_costs_what_it_reports_else_what_the_price_book_says(
    database: Database, owner: Person, fields: dict[str, Any], cost: Decimal | None
) -> None:
    trace_id = new_trace_id()

    await store(database, owner, [call(trace_id, 1, **fields)])

    assert (await trace_of(database, owner, trace_id)).cost_usd == cost


@pytest.mark.parametrize(
    ("root", "child", "status"),
    [
        (SpanStatus.UNSET, SpanStatus.UNSET, TraceStatus.OK),
        (SpanStatus.ERROR, SpanStatus.OK, TraceStatus.ERROR),
        (SpanStatus.UNSET, SpanStatus.ERROR, TraceStatus.ERROR),
        (SpanStatus.OK, SpanStatus.ERROR, TraceStatus.OK),
    ],
)
async def test_a_failed_span_fails_the_trace_unless_its_root_says_that_all_went_well(
    database: Database, owner: Person, root: SpanStatus, child: SpanStatus, status: TraceStatus
) -> None:
    trace_id = new_trace_id()

    await store(database, owner, [draft(trace_id, 2, 1, status=child), draft(trace_id, 1, status=root)])

    assert (await trace_of(database, owner, trace_id)).status is status


async def test_what_is_not_summed_comes_from_the_span_nearest_to_the_root(database: Database, owner: Person) -> None:
    trace_id = new_trace_id()
    spans = [
        draft(trace_id, 5),
        draft(trace_id, 1, 5, agent_name="helper", session_id="s-1", user_id="u-1", input="early", config_version=1, tags=("b",)),
        draft(trace_id, 2, 5, agent_name="support", session_id="s-2", workflow="orders", config_version=2, tags=("a", "b")),
        draft(trace_id, 3, 5, kind=SpanKind.LLM, model="m-2", output="draft"),
        draft(trace_id, 4, 5, kind=SpanKind.LLM, model="m-1", output="final"),
        draft(trace_id, 6, 5, kind=SpanKind.TOOL, model="m-3", output="tool result"),
    ]

    await store(database, owner, spans)

    trace = await trace_of(database, owner, trace_id)
    assert (trace.name, trace.agent_name, trace.session_id, trace.user_id) == ("span 5", "helper", "s-1", "u-1")
    assert (trace.workflow, trace.config_version, trace.input, trace.output) == ("orders", 1, "early", "final")
    assert (trace.models, trace.tags) == (["m-1", "m-2"], ["a", "b"])


async def test_a_span_sent_in_pieces_keeps_its_fuller_copy(database: Database, owner: Person) -> None:
    first, second = new_trace_id(), new_trace_id()

    def copies(trace_id: str) -> list[SpanDraft]:
        begun = draft(trace_id, 1, name="pending", attributes={"a": 1})
        done = draft(trace_id, 1, name="done", attributes={"a": 1, "b": 2}, output="answer")
        return [begun, done]

    for copy in copies(first):
        await store(database, owner, [copy])
    for copy in reversed(copies(second)):
        await store(database, owner, [copy])

    for trace_id in (first, second):
        trace = await trace_of(database, owner, trace_id)
        assert (trace.name, trace.output, trace.span_count) == ("done", "answer", 1)


async def test_the_same_span_in_another_trace_or_workspace_is_another_span(
    database: Database, owner: Person, stranger: Person
) -> None:
    first, second = new_trace_id(), new_trace_id()

    await store(database, owner, [draft(first, 1, name="one"), draft(second, 1, name="two")])
    await store(database, stranger, [draft(first, 1, name="three", attributes={"longer": "than the others"})])

    assert (await trace_of(database, owner, first)).name == "one"
    assert (await trace_of(database, owner, second)).name == "two"
    assert (await trace_of(database, stranger, first)).name == "three"


async def test_parents_that_go_round_in_circles_do_no_harm(database: Database, owner: Person) -> None:
    trace_id = new_trace_id()

    await store(database, owner, [call(trace_id, 1, 2), call(trace_id, 2, 1)])

    assert (await trace_of(database, owner, trace_id)).span_count == 2


async def test_two_connections_racing_on_one_trace_end_in_the_exact_sum(database: Database, owner: Person) -> None:
    trace_id = new_trace_id()
    spans = [call(trace_id, number, None if number == 1 else 1, kind=SpanKind.LLM) for number in range(1, 41)]

    await asyncio.gather(*(store(database, owner, spans[start::8]) for start in range(8)))

    trace = await trace_of(database, owner, trace_id)
    assert (trace.span_count, trace.total_tokens, trace.cost_usd) == (40, 39 * 110, 39 * PRICE)


async def test_requests_about_the_same_traces_in_opposite_orders_do_not_deadlock(database: Database, owner: Person) -> None:
    traces = [new_trace_id() for _ in range(10)]

    def request(number: int) -> list[SpanDraft]:
        ordered = traces if number % 2 else traces[::-1]
        return [call(trace_id, number, agent_name=f"agent {(number + place) % 4}") for place, trace_id in enumerate(ordered)]

    await asyncio.gather(*(store(database, owner, request(number)) for number in range(1, 13)))

    for trace_id in traces:
        assert (await trace_of(database, owner, trace_id)).span_count == 12


KINDS = [SpanKind.LLM, SpanKind.LLM, SpanKind.EMBEDDING, SpanKind.AGENT, SpanKind.TOOL, SpanKind.CHAIN]


def pending(span: SpanDraft) -> SpanDraft:
    """The copy of a span that some instrumentations send when it begins."""
    return replace(span, name="pending", attributes={}, input_tokens=None, output_tokens=None, cost_usd=None, output=None)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[SpanDraft], list[list[SpanDraft]]]:
    """The spans of one trace, and requests that carry each of them at least once, in pieces and in any order."""
    spans = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        attributes = draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), min_size=1, max_size=3))
        spans.append(
            draft(
                "0" * 31 + "1",
                number,
                draw(st.none() | st.sampled_from([parent for parent in range(1, 9) if parent != number])),
                kind=draw(st.sampled_from(KINDS)),
                status=draw(st.sampled_from(SpanStatus)),
                model=draw(st.sampled_from(["sim/mini", "sim/standard", "unheard-of"])),
                response_id=draw(st.none() | st.sampled_from(["first", "second"])),
                input_tokens=draw(st.none() | st.integers(0, 100)),
                output_tokens=draw(st.none() | st.integers(0, 100)),
                cost_usd=draw(st.none() | st.decimals(0, 5, places=6)),
                input=draw(st.none() | st.sampled_from(["hello", "goodbye"])),
                output=draw(st.none() | st.sampled_from(["yes", "no"])),
                agent_name=draw(st.none() | st.sampled_from(["support", "clerk"])),
                tags=tuple(draw(st.lists(st.sampled_from("xyz"), unique=True, max_size=2))),
                attributes=attributes,
            )
        )
    repeated = draw(st.lists(st.sampled_from(spans), max_size=3))
    unfinished = [pending(span) for span in draw(st.lists(st.sampled_from(spans), max_size=3))]
    order = draw(st.permutations([*spans, *repeated, *unfinished]))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=4)) | {0, len(order)})
    return spans, [list(order[start:end]) for start, end in pairwise(cuts)]


def expected_usage(spans: Sequence[SpanDraft]) -> tuple[int, int]:
    """Tokens in and out, the slow and obvious way: climb from every reporting model span and strike out what is above it.

    Of what is left, strike out whose answer's id another span has that starts before it ends.
    """
    by_id = {span.span_id: span for span in spans}
    reporting = {
        span.span_id
        for span in spans
        if span.kind in MODEL_KINDS
        and (span.input_tokens is not None or span.output_tokens is not None or span.cost_usd is not None)
    }
    wrappers = set()
    for identity in reporting:
        seen, above = set(), by_id[identity].parent_span_id
        while above in by_id and above not in seen:
            seen.add(above)
            wrappers.add(above)
            above = by_id[above].parent_span_id
    left = [by_id[identity] for identity in reporting - wrappers]
    counted = [
        span
        for span in left
        if span.response_id is None
        or not any(
            other.response_id == span.response_id
            and (span.started_at, span.span_id) < (other.started_at, other.span_id)
            and other.started_at < span.ended_at
            for other in left
        )
    ]
    return sum(span.input_tokens or 0 for span in counted), sum(span.output_tokens or 0 for span in counted)


def under(trace_id: str, spans: Sequence[SpanDraft]) -> list[SpanDraft]:
    """The same spans in another trace."""
    return [
        draft(trace_id, 0, **{name: getattr(span, name) for name in SpanDraft.__slots__ if name != "trace_id"}) for span in spans
    ]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrival=arrivals())
async def test_any_split_and_any_order_of_arrival_end_in_the_same_trace(
    database: Database, owner: Person, arrival: tuple[list[SpanDraft], list[list[SpanDraft]]]
) -> None:
    spans, requests = arrival
    at_once, in_pieces = new_trace_id(), new_trace_id()

    await store(database, owner, under(at_once, spans))
    for request in requests:
        await store(database, owner, under(in_pieces, request))

    whole = await rolled_up(database, owner, at_once)
    assert await rolled_up(database, owner, in_pieces) == whole
    assert (whole["input_tokens"] or 0, whole["output_tokens"] or 0) == expected_usage(spans)
