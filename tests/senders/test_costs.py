"""Every model call of instrumented Python programs is paid for once, whoever reports it how often: recorded, and sent live."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from spectral_platform.otel.encoding import Encoding
from tests.fixtures.callers import Person
from tests.senders import models
from tests.senders.record import GOLDENS, PROGRAMS, listening, run

CALL = (1280, "0.0001512", 0)
"""176 input tokens for 0.15 dollars a million, 1024 cached ones for 0.075 and 80 output ones for 0.60."""
TWO_CALLS = (2560, "0.0003024", 0)
AT_FULL_PRICE = (1280, "0.000228", 0)
"""The same without a word of what was cached."""
EMBEDDING = (12, "0.00000024", 0)
UNPRICED = (1280, None, 1)
UNCOUNTED = (None, None, 0)
CACHED = (1280, "0.002175", 0)
"""Sonnet: 100 input tokens for 3 dollars a million, 1000 read from the cache for 0.30, 100 written for 3.75, 80 output for 15."""
FRESH = (1280, "0.001445", 0)
"""Haiku: 900 for 1 dollar a million, 200 read for 0.10, 100 written for 1.25, 80 output for 5."""
MISTAKEN = UNCOUNTED
TRACES = {
    "opentelemetry": {
        "invoke_agent support": TWO_CALLS,
        "invoke_agent mistaken": MISTAKEN,
        "chat house-model-7": UNPRICED,
    },
    "openinference": {
        "support": TWO_CALLS,
        "streamed": CALL,
        "mistaken": MISTAKEN,
        "unpriced": UNPRICED,
        "embedded": EMBEDDING,
        "claude_cached": CACHED,
        "claude_fresh": FRESH,
        "claude_streamed": FRESH,
        "retried": TWO_CALLS,
        "clerk": TWO_CALLS,
    },
    "traceloop": {
        "orders.workflow": TWO_CALLS,
        "streamed.workflow": CALL,
        "mistaken.workflow": MISTAKEN,
        "unpriced.task": UNPRICED,
        "embedded.task": EMBEDDING,
        "claude_cached.task": CACHED,
        "claude_fresh.task": FRESH,
        "claude_streamed.task": FRESH,
        "invoke_agent clerk": TWO_CALLS,
    },
    "traceloop_old": {
        "orders.workflow": TWO_CALLS,
        "streamed.workflow": UNCOUNTED,
        "mistaken.workflow": MISTAKEN,
        "unpriced.task": UNPRICED,
        "embedded.task": EMBEDDING,
        "claude_cached.task": CACHED,
        "claude_fresh.task": FRESH,
        "claude_streamed.task": UNCOUNTED,
    },
    "langsmith": {
        "orders": TWO_CALLS,
        "look_up": UNCOUNTED,
        "streamed": CALL,
        "mistaken": MISTAKEN,
        "unpriced": UNPRICED,
        "wrapped": CALL,
    },
    "pydantic_ai": {
        "orders": TWO_CALLS,
        "streamed": TWO_CALLS,
        "structured": CALL,
        "invoke_agent mistaken": MISTAKEN,
        "invoke_agent unpriced": UNPRICED,
        "invoke_agent claude_cached": CACHED,
        "invoke_agent claude_fresh": FRESH,
        "agent run": TWO_CALLS,
        "invoke_agent version_3": TWO_CALLS,
        "invoke_agent version_6": TWO_CALLS,
        "The shop closes": UNCOUNTED,
    },
    "pydantic_ai_old": {"support": TWO_CALLS, "mistaken": MISTAKEN, "unpriced": UNPRICED},
    "openai_v2": {
        "orders": (2560, "0.000456", 0),
        "streamed": AT_FULL_PRICE,
        "mistaken": MISTAKEN,
        "unpriced": UNPRICED,
        "embedded": EMBEDDING,
    },
}
"""Of each program, by the name of the trace (by the agent's, where all have the same): tokens, cost, calls without a price."""
OUTDATED = {"traceloop_old", "pydantic_ai_old"}
"""Recorded once and no longer run: their libraries are of their day."""


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with listening(models.app) as url:
        yield url


async def post(person: Person, program: str) -> None:
    """Send a recording."""
    headers = {"X-Workspace-Id": str(person.workspace_id), "Content-Type": Encoding.PROTOBUF.value}
    body = (GOLDENS / f"{program}.binpb").read_bytes()
    assert (await person.client.post("/otel/v1/traces", content=body, headers=headers)).status_code == 200


async def traces_of(person: Person, program: str) -> dict[str, dict[str, Any]]:
    """The traces of a workspace, by what tells them apart."""
    answer = await person.client.get(f"{person.w}/traces", params={"limit": 200})
    return {trace["agent_name" if program == "pydantic_ai_old" else "name"]: trace for trace in answer.json()["results"]}


def paid(traces: dict[str, dict[str, Any]]) -> dict[str, tuple[int | None, str | None, int]]:
    return {name: (trace["total_tokens"], trace["cost_usd"], trace["unpriced_spans"]) for name, trace in traces.items()}


@pytest.mark.parametrize("program", TRACES)
async def test_every_call_is_paid_for_once(program: str, owner: Person) -> None:
    await post(owner, program)
    traces = await traces_of(owner, program)

    assert paid(traces) == TRACES[program]
    # Where the program itself goes on after the failure, its trace does too.
    failed = {name for name, trace in traces.items() if trace["status"] == "error"}
    assert failed == {name for name in TRACES[program] if "mistaken" in name}


async def test_a_workspaces_own_price_comes_before_the_books_and_fills_its_gaps(owner: Person) -> None:
    dear = {"input_usd": "10", "output_usd": "100", "cached_input_usd": "1", "cache_write_usd": "20"}
    own = [{"model": model, **dear} for model in ("gpt-4o-mini-2024-07-18", "house-model-7", "claude-haiku-4-5")]
    assert (await owner.client.put(f"{owner.w}/prices", json={"prices": own})).status_code == 200
    await post(owner, "openinference")
    traces = paid(await traces_of(owner, "openinference"))

    assert traces["streamed"] == traces["unpriced"] == (1280, "0.010784", 0)
    assert traces["support"] == traces["retried"] == (2560, "0.021568", 0)
    assert traces["claude_fresh"] == (1280, "0.0192", 0)
    assert traces["claude_cached"] == CACHED


@pytest.mark.senders
@pytest.mark.parametrize("program", sorted({folder.name for folder in PROGRAMS.iterdir()} - OUTDATED))
async def test_a_program_sends_what_was_recorded_of_it(program: str, owner: Person, server_url: str, model_url: str) -> None:
    headers = f"Authorization=Bearer%20{await owner.key()}"
    ended = await asyncio.to_thread(run, program, otlp=server_url, model=model_url, headers=headers)

    assert ended.returncode == 0, ended.stderr
    assert paid(await traces_of(owner, program)) == TRACES[program]
