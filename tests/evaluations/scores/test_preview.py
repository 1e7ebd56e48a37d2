"""Rubrics on traces and samples without a scan, over HTTP."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import delete, select
from starlette.responses import JSONResponse, Response

from spectral_api.app import create_app
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.evaluations.scores.models import TraceScore
from spectral_platform.evaluations.scores.queries import list_trace_scores
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.purposes import Purpose
from tests.agents.factories import config, create_agent
from tests.evaluations.rubrics.factories import create_rubric, dimension
from tests.evaluations.scores.factories import of, post
from tests.fixtures.callers import Person, register
from tests.fixtures.llm import JUDGE, ModelServer

EMBEDDER = "test-embedder"
SHORT = dimension(
    "short",
    weight=3,
    evaluator={
        "kind": "instruction",
        "instructions": [{"id": "length_constraints:number_words", "num_words": 5, "relation": "at most"}],
    },
)
RIGHT = dimension("right", weight=1, evaluator={"kind": "exact_match"}, minimum=0.5)
HELPFUL = dimension("helpful", evaluator={"kind": "llm_judge", "criteria": [{"id": "time", "text": "Names a time."}], "votes": 1})


async def make_traces(person: Person, *answers: str | None) -> list[str]:
    traces = [{"agent": "Support", "input": "When do you open?", "output": answer} for answer in answers]
    answer = await person.client.post(f"{person.w}/traces", json={"traces": traces})
    assert answer.status_code == 202, answer.text
    return list(answer.json()["trace_ids"])


async def make_samples(person: Person, *samples: dict[str, Any]) -> list[str]:
    made = await person.client.post(f"{person.w}/samples/sets", json={"name": "Set"})
    path = f"{person.w}/samples/sets/{made.json()['id']}/samples"
    assert (await person.client.post(path, json=list(samples))).status_code == 201
    listed = (await person.client.get(path, params={"sort": "created_at"})).json()["results"]
    by_input = {sample["input"]: sample["id"] for sample in listed}
    return [by_input[sample["input"]] for sample in samples]


async def test_programs_score_traces_at_once_and_for_nothing(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, dimensions=[SHORT, RIGHT])
    brief, wordy = await make_traces(owner, "At nine.", "We open every morning at nine o'clock sharp.")
    corrected = {"score": -1, "corrected_output": "At nine.", "source": "human"}
    assert (await owner.client.post(f"{owner.w}/traces/{wordy}/feedback", json=corrected)).status_code == 201

    preview = await post(owner, rubric, "preview", {"trace_ids": [brief, wordy, brief, "0" * 31 + "1"]})

    assert (preview["version"], preview["judge_model"], preview["stopped_by"]) == (1, None, None)
    assert preview["missing"] == ["0" * 31 + "1"]
    assert preview["cost"] == {
        "model_calls": 0,
        "unpriced_calls": 0,
        "cost_usd": "0",
        "max_usd": "1",
        "max_model_calls": 200,
    }
    first, second = preview["results"]
    assert [(each["kind"], each["id"], each["answer_from"]) for each in (first, second)] == [
        ("trace", brief, "trace"),
        ("trace", wordy, "trace"),
    ]
    assert (first["score"], first["below_minimum"]) == (1, [])  # nothing to compare with, so brevity alone counts
    assert of(first)["right"]["ran"] is False
    assert of(first)["right"]["reason"] == "The case has no expected output."
    assert (second["score"], second["below_minimum"]) == (0, ["right"])
    assert of(second)["short"]["feedback"] == "The answer must have at most 5 words."
    assert of(second)["right"]["evaluator"] == "exact_match@1"
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        stored = await list_trace_scores(session, owner.caller(), rubric_id=rubric["id"], rubric_version=1)
    assert {(score.trace_id, score.dimension): score.score for score in stored} == {
        (brief, "short"): 1.0,
        (brief, "right"): None,
        (wordy, "short"): 0.0,
        (wordy, "right"): 0.0,
    }
    assert {score.scan_id for score in stored} == {None}


async def test_a_sample_is_looked_at_by_its_traces_answer_else_by_its_expected_one(owner: Person) -> None:
    rubric = await create_rubric(owner, dimensions=[SHORT, RIGHT])
    (trace_id,) = await make_traces(owner, "At ten.")
    ids = await make_samples(
        owner,
        {"input": "Given?", "expected_output": "At nine.", "source_trace_id": trace_id},
        {"input": "Expected?", "expected_output": "At nine."},
        {"input": "Neither?"},
    )

    given, expected, neither = (await post(owner, rubric, "preview", {"sample_ids": ids}))["results"]

    assert (given["answer_from"], given["score"]) == ("trace", 0.75)
    assert (expected["answer_from"], expected["score"]) == ("expected_output", 1)
    assert (neither["answer_from"], neither["score"]) == (None, None)
    assert {finding["reason"] for finding in neither["dimensions"]} == {"There is no answer to look at."}


async def test_without_a_model_the_judge_says_so_and_programs_work(owner: Person) -> None:
    rubric = await create_rubric(owner, dimensions=[SHORT, HELPFUL])
    traces = await make_traces(owner, "At nine.")

    (result,) = (await post(owner, rubric, "preview", {"trace_ids": traces}))["results"]

    assert result["score"] == 1
    assert "SPECTRAL_DEFAULT_MODEL" in of(result)["helpful"]["reason"]


async def test_where_agents_run_on_the_simulator_it_judges_and_what_it_said_is_kept(owner: Person) -> None:
    await create_agent(owner, config=config())
    rubric = await create_rubric(owner, dimensions=[HELPFUL])
    (trace_id,) = await make_traces(owner, "We open at nine.")
    before = await post(owner, rubric, "explain", {"trace_id": trace_id})

    preview = await post(owner, rubric, "preview", {"trace_ids": [trace_id]})
    after = await post(owner, rubric, "explain", {"trace_id": trace_id})

    (finding,) = preview["results"][0]["dimensions"]
    assert (preview["judge_model"], preview["simulated"]) == ("sim/judge", True)
    assert (finding["ran"], finding["judge_model"], finding["simulated"]) == (True, "sim/judge", True)
    assert preview["cost"]["model_calls"] == 1
    assert Decimal(preview["cost"]["cost_usd"]) == Decimal(finding["cost_usd"]) > 0
    assert before["dimensions"][0]["ran"] is False
    assert "sim/judge has not been asked" in before["dimensions"][0]["reason"]
    assert after["dimensions"][0]["ran"] is True
    assert "asked by a preview" in after["dimensions"][0]["reason"]


@pytest.mark.parametrize("budget", [{"max_model_calls": 0}, {"max_usd": "0.000001"}])
async def test_a_spent_budget_ends_the_judging_and_no_call_is_made(owner: Person, budget: dict[str, Any]) -> None:
    await create_agent(owner, config=config())
    rubric = await create_rubric(owner, dimensions=[SHORT, HELPFUL])
    traces = await make_traces(owner, "At nine.")

    preview = await post(owner, rubric, "preview", {"trace_ids": traces, **budget})

    assert preview["stopped_by"] == "budget"
    assert (preview["cost"]["model_calls"], preview["cost"]["cost_usd"]) == (0, "0")
    (result,) = preview["results"]
    assert (of(result)["short"]["ran"], of(result)["helpful"]["ran"]) == (True, False)
    assert "max_model_calls" in of(result)["helpful"]["reason"]


@pytest.fixture
async def served(settings: Settings, database: Database, model_server: ModelServer) -> Any:
    """Somebody whose workspace has a real endpoint for the judge."""
    server = settings.model_copy(update={"openai_base_url": model_server.url, "openai_model": "not-served"})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(server, database)), base_url="http://testserver"
    ) as client:
        person = await register(client)
        async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
            await choose_models(
                session, workspace_id=person.workspace_id, purposes={Purpose.SCORING: JUDGE, Purpose.EMBEDDING: EMBEDDER}
            )
        yield person
        await person.client.aclose()


async def test_a_judge_that_a_cassette_plays_is_said_to_be_one_and_leaves_no_score(
    owner: Person, settings: Settings, database: Database, model_server: ModelServer
) -> None:
    rubric = await create_rubric(owner, dimensions=[HELPFUL | {"evaluator": {"kind": "llm_judge"}}])
    traces = await make_traces(owner, "At nine.")
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await choose_models(session, workspace_id=owner.workspace_id, purposes={Purpose.SCORING: JUDGE})
    endpoint = {"openai_base_url": model_server.url, "cassette": settings.data_dir / "cassette.jsonl"}
    previews = []
    for mode in ("record", "replay"):
        server = settings.model_copy(update=endpoint | {"cassette_mode": mode})
        transport = httpx.ASGITransport(app=create_app(server, database))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=owner.client.headers) as client:
            replayed = replace(owner, client=client)
            previews.append(await post(replayed, rubric, "preview", {"trace_ids": traces}))
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            kept = await session.scalars(select(TraceScore.judge_model).where(TraceScore.trace_id == traces[0]))
            assert kept.all() == ([JUDGE] if mode == "record" else [])
            await session.execute(delete(TraceScore))

    assert [preview["replayed"] for preview in previews] == [False, True]
    assert previews[0]["results"] == previews[1]["results"]


async def test_the_judge_is_the_model_of_the_workspaces_profile(served: Person, model_server: ModelServer) -> None:
    rubric = await create_rubric(served, dimensions=[HELPFUL | {"evaluator": {"kind": "llm_judge"}}])
    traces = await make_traces(served, "At nine.", "Hello.")

    preview = await post(served, rubric, "preview", {"trace_ids": traces})

    assert preview["judge_model"] == JUDGE
    assert preview["simulated"] is False
    assert {body["model"] for body in model_server.bodies} == {JUDGE}
    assert preview["cost"]["model_calls"] == model_server.received == 6  # three votes on each, as for a verdict
    assert (preview["cost"]["unpriced_calls"], preview["cost"]["cost_usd"]) == (6, None)
    assert [result["dimensions"][0]["ran"] for result in preview["results"]] == [True, True]


ALIKE = dimension("alike", evaluator={"kind": "semantic_similarity"})


async def test_answers_are_compared_by_embeddings_where_the_workspace_has_a_model_for_them(
    served: Person, model_server: ModelServer
) -> None:
    rubric = await create_rubric(served, dimensions=[ALIKE])
    (trace_id,) = await make_traces(served, "We open at nine.")
    corrected = {"score": -1, "corrected_output": "At nine we open!", "source": "human"}
    await served.client.post(f"{served.w}/traces/{trace_id}/feedback", json=corrected)

    preview = await post(served, rubric, "preview", {"trace_ids": [trace_id]})

    finding = of(preview["results"][0])["alike"]
    assert (finding["evaluator"], finding["passed"]) == ("semantic_similarity@1+embedding", True)
    assert finding["score"] == pytest.approx(1)
    assert [body["model"] for body in model_server.bodies] == [EMBEDDER]
    assert preview["cost"]["model_calls"] == 1


async def test_words_are_compared_where_embeddings_cannot_be_had(served: Person, model_server: ModelServer) -> None:
    rubric = await create_rubric(served, dimensions=[ALIKE])
    ids = await make_samples(served, {"input": "?", "expected_output": "At nine."})
    model_server.fault = lambda number, body: JSONResponse({"error": {"message": "no"}}, status_code=404)

    finding = of((await post(served, rubric, "preview", {"sample_ids": ids}))["results"][0])["alike"]

    assert (finding["evaluator"], finding["score"]) == ("semantic_similarity@1+token_f1", 1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (JSONResponse({"error": {"message": "no such model"}}, status_code=404), "no such model"),
        (
            JSONResponse(
                {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": JUDGE,
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": "I like it!"}, "finish_reason": "stop"}],
                }
            ),
            "could be read",
        ),
    ],
)
async def test_a_judge_that_cannot_judge_is_the_reason_and_no_error(
    served: Person, model_server: ModelServer, fault: Response, reason: str
) -> None:
    rubric = await create_rubric(served, dimensions=[SHORT, HELPFUL])
    traces = await make_traces(served, "At nine.")
    model_server.fault = lambda number, body: fault

    (result,) = (await post(served, rubric, "preview", {"trace_ids": traces}))["results"]

    assert of(result)["short"]["ran"] is True
    assert of(result)["helpful"]["ran"] is False
    assert reason in of(result)["helpful"]["reason"]


async def test_explaining_says_of_every_dimension_why_it_ran_or_not(owner: Person) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "exact": {"kind": "exact_match"},
        "grounded": {"kind": "groundedness"},
        "cheap": {"kind": "max_cost", "value": 1},
        "tools": {"kind": "tool_calls", "expected": [{"name": "search"}]},
        "alike": {"kind": "semantic_similarity"},
        "polite": {"kind": "contains", "value": "please"},
    }
    rubric = await create_rubric(owner, dimensions=[dimension(key, evaluator=kind) for key, kind in kinds.items()])
    (trace_id,) = await make_traces(owner, "At nine.")

    explained = await post(owner, rubric, "explain", {"trace_id": trace_id})

    assert (explained["kind"], explained["id"], explained["version"]) == ("trace", trace_id, 1)
    assert {each["key"]: (each["ran"], each["reason"]) for each in explained["dimensions"]} == {
        "exact": (False, "The case has no expected output."),
        "grounded": (False, "The case has no context to rest on."),
        "cheap": (False, "The cost is unknown: the model has no price."),
        "tools": (False, "It is not known which tools were called."),
        "alike": (False, "The case has no expected output."),
        "polite": (True, 'It scored 0. The answer must mention "please".'),
    }


async def test_explaining_a_sample_and_what_is_not_there(owner: Person, stranger: Person) -> None:
    rubric = await create_rubric(owner, dimensions=[RIGHT])
    (sample_id,) = await make_samples(owner, {"input": "?", "expected_output": "At nine."})
    (foreign,) = await make_traces(stranger, "At nine.")
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}/explain"

    explained = await post(owner, rubric, "explain", {"sample_id": sample_id})

    assert (explained["kind"], explained["answer_from"], explained["dimensions"][0]["ran"]) == ("sample", "expected_output", True)
    for body in ({"trace_id": foreign}, {"trace_id": "0" * 31 + "1"}, {"sample_id": str(uuid4())}):
        assert (await owner.client.post(path, json=body)).status_code == 404
    assert (await post(owner, rubric, "preview", {"trace_ids": [foreign]}))["missing"] == [foreign]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("preview", {}),
        ("preview", {"trace_ids": []}),
        ("preview", {"trace_ids": ["4bf92f3577b34da6a3ce929d0e0e4736"], "sample_ids": [str(uuid4())]}),
        ("preview", {"trace_ids": ["4bf92f3577b34da6a3ce929d0e0e4736"] * 51}),
        ("preview", {"trace_ids": ["not an id"]}),
        ("preview", {"sample_ids": [str(uuid4())], "max_usd": -1}),
        ("explain", {}),
        ("explain", {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "sample_id": str(uuid4())}),
    ],
)
async def test_senseless_bodies_are_refused(owner: Person, action: str, body: dict[str, Any]) -> None:
    rubric = await create_rubric(owner)

    answer = await owner.client.post(f"{owner.w}/evaluations/rubrics/{rubric['id']}/{action}", json=body)

    assert answer.status_code == 422


async def test_an_older_version_can_be_previewed_and_an_absent_one_cannot(owner: Person) -> None:
    rubric = await create_rubric(owner, dimensions=[SHORT])
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"
    await owner.client.patch(path, json={"dimensions": [RIGHT]})
    traces = await make_traces(owner, "At nine.")

    preview = await post(owner, rubric, "preview", {"trace_ids": traces, "version": 1})

    assert [finding["key"] for finding in preview["results"][0]["dimensions"]] == ["short"]
    assert (await owner.client.post(f"{path}/preview", json={"trace_ids": traces, "version": 3})).status_code == 404
