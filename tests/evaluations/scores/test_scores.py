"""Scores of traces: the newest evaluation counts, whoever erases a trace erases them, and which traces are scored next."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from spectral_platform.evaluations.scores import commands, queries
from spectral_platform.evaluations.scores.commands import NewScore
from spectral_platform.evaluations.scores.models import TraceScore
from tests.evaluations.rubrics.factories import create_rubric
from tests.fixtures.callers import Person

GOOD = Evaluation.success("llm_judge@1", evidence=("Hello",))
BAD = Evaluation.failure("llm_judge@1", "Say\x00 hello.", score=0.25)


async def answered(owner: Person, *answers: str, agent: str = "support") -> list[str]:
    """Traces with these answers, the first the newest."""
    now = clock.now()
    traces = [
        {"agent": agent, "input": f"Question {number}?", "output": answer, "started_at": str(now - timedelta(minutes=number))}
        for number, answer in enumerate(answers)
    ]
    answer = await owner.client.post(f"{owner.w}/traces", json={"traces": traces})
    assert answer.status_code == 202, answer.text
    trace_ids: list[str] = answer.json()["trace_ids"]
    return trace_ids


async def record(owner: Person, database: Database, rubric_id: str, *scores: NewScore, version: int = 1) -> int:
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        rubric = await get_rubric_version(session, owner.workspace_id, UUID(rubric_id), version)
        return await commands.record_scores(session, owner.workspace_id, rubric, scores)


async def stored(owner: Person, database: Database, rubric_id: str, *, version: int = 1) -> list[TraceScore]:
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        found = await queries.list_trace_scores(session, owner.caller(), rubric_id=UUID(rubric_id), rubric_version=version)
        return list(found)


async def test_the_newest_evaluation_replaces_the_one_before(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    (trace_id,) = await answered(owner, "Hello")
    first = NewScore(trace_id, "polite", BAD, judge_model="sim/judge", simulated=True, cost_usd=Decimal("0.25"))

    assert await record(owner, database, rubric["id"], first, NewScore(trace_id, "short", GOOD)) == 2
    assert await record(owner, database, rubric["id"], NewScore(trace_id, "polite", GOOD)) == 1

    scores = {score.dimension: score for score in await stored(owner, database, rubric["id"])}
    assert (scores["polite"].score, scores["polite"].passed, scores["polite"].evidence) == (1, True, ["Hello"])
    assert (scores["polite"].judge_model, scores["polite"].simulated, scores["polite"].cost_usd) == (None, None, None)
    assert scores.keys() == {"polite", "short"}


async def test_each_version_of_a_rubric_has_scores_of_its_own(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner)
    await owner.client.patch(f"{owner.w}/evaluations/rubrics/{rubric['id']}", json={"name": "Better"})
    (trace_id,) = await answered(owner, "Hello")

    await record(owner, database, rubric["id"], NewScore(trace_id, "polite", BAD), version=1)
    await record(owner, database, rubric["id"], NewScore(trace_id, "polite", GOOD), version=2)

    assert [score.score for score in await stored(owner, database, rubric["id"], version=1)] == [0.25]
    assert [score.score for score in await stored(owner, database, rubric["id"], version=2)] == [1]


async def test_an_erased_trace_has_no_scores_and_gets_none(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner)
    kept, erased = await answered(owner, "Hello", "Bye")
    scores = [NewScore(trace_id, "polite", GOOD) for trace_id in (kept, erased)]
    await record(owner, database, rubric["id"], *scores)

    assert (await owner.client.delete(f"{owner.w}/traces/{erased}")).status_code == 204

    assert [score.trace_id for score in await stored(owner, database, rubric["id"])] == [kept]
    assert await record(owner, database, rubric["id"], *scores) == 1


async def test_two_writers_of_the_same_scores_do_not_hold_each_other_up(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    trace_ids = await answered(owner, *"abcdefgh")
    scores = [NewScore(trace_id, key, GOOD) for trace_id in trace_ids for key in ("polite", "short")]

    await asyncio.gather(record(owner, database, rubric["id"], *scores), record(owner, database, rubric["id"], *reversed(scores)))

    assert len(await stored(owner, database, rubric["id"])) == 16


async def test_a_trace_is_evaluated_as_it_went(owner: Person, database: Database) -> None:
    trace = {"input": "When do you open?", "output": "At 9.", "latency_ms": 1500, "model": "sim/standard", "input_tokens": 7}
    (trace_id,) = (await owner.client.post(f"{owner.w}/traces", json={"traces": [trace]})).json()["trace_ids"]
    correction = {"score": -1, "corrected_output": "At 10."}
    await owner.client.post(f"{owner.w}/traces/{trace_id}/feedback", json=correction)

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        subjects = await queries.list_subjects(session, owner.caller(), ["f" * 32, trace_id])

    assert subjects.keys() == {trace_id}
    subject = subjects[trace_id]
    assert (subject.input, subject.output, subject.expected_output) == ("When do you open?", "At 9.", "At 10.")
    assert (subject.latency_ms, subject.total_tokens, subject.context) == (1500, 7, None)


async def test_traces_with_feedback_of_people_are_scored_first_and_samples_never(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner)
    newest, by_code, sampled, by_person, oldest = await answered(owner, "a", "b", "c", "d", "e")
    (elsewhere,) = await answered(owner, "f", agent="other")
    for trace_id, source in ((by_code, "code"), (by_person, "human"), (sampled, "human")):
        await owner.client.post(f"{owner.w}/traces/{trace_id}/feedback", json={"score": 1, "source": source})
    sample_set = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Questions"})).json()
    sample = [{"input": "Question 2?", "source_trace_id": sampled}]
    await owner.client.post(f"{owner.w}/samples/sets/{sample_set['id']}/samples", json=sample)
    await record(owner, database, rubric["id"], NewScore(oldest, "polite", GOOD, judge_model="one", simulated=True))
    agents = {each["name"]: UUID(each["id"]) for each in (await owner.client.get(f"{owner.w}/agents")).json()["results"]}

    async def chosen(limit: int, judge: str | None = None) -> list[str]:
        unless = queries.ScoredBy(UUID(rubric["id"]), 1, judge, UUID(int=0)) if judge else None
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            return await queries.list_traces_to_score(
                session,
                owner.caller(),
                agent_ids=[agents["support"]],
                since=clock.now() - timedelta(hours=1),
                until=clock.now() + timedelta(hours=1),
                limit=limit,
                unless=unless,
            )

    assert await chosen(9) == [by_person, newest, by_code, oldest]
    assert await chosen(2) == [by_person, newest]
    assert await chosen(9, judge="one") == [by_person, newest, by_code]
    assert await chosen(9, judge="another") == [by_person, newest, by_code, oldest]
    assert elsewhere not in await chosen(9)
