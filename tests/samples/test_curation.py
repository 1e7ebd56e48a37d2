"""Samples from traces over HTTP."""

from typing import Any

from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.samples.curation import find_traces
from spectral_platform.traces.selection import TraceFilter
from spectral_platform.traces.spans import SpanKind
from tests.fixtures.callers import Person
from tests.samples.factories import create_sample_set, list_samples
from tests.traces.factories import call, draft, new_trace_id, store

LONG = "please tell me how long it usually takes until a refund for a returned parcel arrives on my credit card account"


async def report(person: Person, *inputs: str, **fields: Any) -> list[str]:
    """Trace ids of new traces with these inputs, each a minute newer than the one before."""
    traces = [
        {"input": text, "output": "An answer.", "started_at": f"2026-01-01T00:{minute:02}:00Z"} | fields
        for minute, text in enumerate(inputs)
    ]
    answer = await person.client.post(f"{person.w}/traces", json={"traces": traces})
    assert answer.status_code == 202, answer.text
    trace_ids: list[str] = answer.json()["trace_ids"]
    return trace_ids


async def curate(person: Person, path: str, **body: Any) -> dict[str, Any]:
    answer = await person.client.post(f"{path}/curate", json=body)
    assert answer.status_code == 201, answer.text
    curated: dict[str, Any] = answer.json()
    return curated


async def test_a_trace_becomes_a_sample_with_its_lookups_and_its_correction(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    spans = [
        draft(trace_id, 1, kind=SpanKind.AGENT, input="How long?", output="A week.", agent_name="support", tags=("refund",)),
        draft(trace_id, 3, 1, kind=SpanKind.RETRIEVAL, input="refund", output="Second article."),
        draft(trace_id, 2, 1, kind=SpanKind.RETRIEVAL, input="refund", output="First article."),
        call(trace_id, 4, 1, input="a prompt", output="A week."),
    ]
    await store(database, owner, spans)
    for correction in ("Six days.", "Five days."):
        feedback = {"score": -1, "corrected_output": correction, "source": "human"}
        answer = await owner.client.post(f"{owner.w}/traces/{trace_id}/feedback", json=feedback)
        assert answer.status_code == 201, answer.text
    path = await create_sample_set(owner)

    assert await curate(owner, path) == {"created": 1, "rejected": []}

    [sample] = await list_samples(owner, path)
    expected = {
        "input": "How long?",
        "expected_output": "Five days.",
        "context": "First article.\n\nSecond article.",
        "metadata": {"agent_name": "support"},
        "tags": ["refund"],
        "source_trace_id": trace_id,
        "weight": 1.0,
    }
    assert sample.items() >= expected.items()


async def test_near_duplicates_are_left_out_unless_they_are_asked_for(owner: Person) -> None:
    oldest, _, newest = await report(owner, f"{LONG} please", "where is my parcel", LONG)
    path = await create_sample_set(owner, "WHERE is my parcel?")

    curated = await curate(owner, path)
    everything = await curate(owner, await create_sample_set(owner), dedupe=False)

    assert curated["created"] == 1
    assert {refused["reason"] for refused in curated["rejected"]} == {"nearly the same as another sample"}
    assert oldest in {refused["trace_id"] for refused in curated["rejected"]}
    assert [sample["source_trace_id"] for sample in await list_samples(owner, path)] == [newest, None]
    assert everything == {"created": 3, "rejected": []}


async def test_the_newest_traces_are_taken_up_to_the_maximum(owner: Person) -> None:
    await report(owner, *(f"question {number}" for number in range(8)))
    path = await create_sample_set(owner)

    assert (await curate(owner, path, max=3))["created"] == 3

    assert {sample["input"] for sample in await list_samples(owner, path)} == {"question 7", "question 6", "question 5"}


async def test_only_traces_that_the_filter_lets_through_become_samples(owner: Person) -> None:
    await report(owner, "fine")
    await report(owner, "broken", error="timeout")
    path = await create_sample_set(owner)

    await curate(owner, path, status="error", since="2025-12-31T00:00:00Z", until="2026-01-02T00:00:00Z")
    assert await curate(owner, path, until="2025-12-31T00:00:00Z") == {"created": 0, "rejected": []}

    assert [sample["input"] for sample in await list_samples(owner, path)] == ["broken"]


async def test_curating_again_adds_nothing_twice(owner: Person) -> None:
    [trace_id] = await report(owner, "How long does it take?")
    path = await create_sample_set(owner)
    await curate(owner, path)

    again = await curate(owner, path, dedupe=False)

    assert again == {
        "created": 0,
        "rejected": [{"trace_id": trace_id, "reason": "the set has this sample already"}],
    }


async def test_a_trace_that_makes_no_sample_is_named_with_the_reason(owner: Person, database: Database) -> None:
    silent = new_trace_id()
    await store(database, owner, [draft(silent, 1)])
    [endless] = await report(owner, "word " * 30_000)

    curated = await curate(owner, await create_sample_set(owner))

    assert {refused["trace_id"]: refused["reason"] for refused in curated["rejected"]} == {
        silent: "it has no input",
        endless: "its input or correction is longer than 100000 characters",
    }


async def test_traces_of_another_tenant_are_out_of_reach(owner: Person, stranger: Person) -> None:
    await report(stranger, "a secret")

    assert await curate(owner, await create_sample_set(owner)) == {"created": 0, "rejected": []}


async def test_what_follows_the_search_for_traces_is_bound_by_none_of_its_limits(owner: Person, database: Database) -> None:
    settings = text(
        "SELECT name, setting FROM pg_settings"
        " WHERE starts_with(name, 'enable_') OR name IN ('plan_cache_mode', 'statement_timeout') ORDER BY name"
    )
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        before = (await session.execute(settings)).all()
        await find_traces(session, owner.caller(), where=TraceFilter(search="words of few"), at_most=1)

        assert (await session.execute(settings)).all() == before
