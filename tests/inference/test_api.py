"""Inferring templates over HTTP, from spans as instrumentations send them."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from spectral_platform.audit.queries import AuditFilter, list_audit_log
from spectral_platform.core.database import Database
from spectral_platform.core.paging import PageRequest
from spectral_platform.inference import apart
from spectral_platform.traces.spans import SpanDraft, SpanKind
from tests.agents.factories import config, create_agent
from tests.fixtures.callers import Person
from tests.scans.workspaces import make_scannable
from tests.traces.factories import START, call, draft, new_trace_id, store

SYSTEM = "You answer for the shop. Be kind."
TOPICS = ["orders", "returns", "parcels", "invoices", "refunds", "vouchers", "sizes", "colours", "repairs", "stores"]


def question(number: int) -> str:
    one, other = TOPICS[number % 10], TOPICS[number // 10 % 10]
    return (f"Where do I find {one}?", f"How do {one} go with {other}?", f"{other} in week {number}?".capitalize())[number % 3]


def messages(number: int) -> str:
    asked = f"Context:\nWeek {number} is about {TOPICS[number % 7]}.\n\nQuestion: {question(number)}\nAnswer:"
    return orjson.dumps([{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}]).decode()


def prompts(count: int, **attributes: Any) -> list[SpanDraft]:
    """Traces of one model call each, in ``gen_ai.*``, one second apart."""
    return [
        call(
            new_trace_id(),
            1,
            agent_name="support",
            started_at=START + timedelta(seconds=number),
            attributes={"gen_ai.input.messages": messages(number), **attributes},
        )
        for number in range(count)
    ]


async def agent_of(person: Person, name: str = "support") -> str:
    agents = (await person.client.get(f"{person.w}/agents", params={"search": name})).json()["results"]
    return str(agents[0]["id"])


async def infer(person: Person, agent_id: str, *, save: bool = False, **body: Any) -> dict[str, Any]:
    answer = await person.client.post(
        f"{person.w}/agents/{agent_id}/infer-template", json=body, params={"save": True} if save else {}
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def refusal(person: Person, agent_id: str, *, save: bool = False, **body: Any) -> tuple[int, str]:
    answer = await person.client.post(
        f"{person.w}/agents/{agent_id}/infer-template", json=body, params={"save": True} if save else {}
    )
    return answer.status_code, answer.json()["type"].rsplit("/", 1)[1]


async def test_the_template_of_an_agents_prompts_is_told_with_its_variables(owner: Person, database: Database) -> None:
    await store(database, owner, prompts(30))

    told = await infer(owner, await agent_of(owner))

    assert told["template"]["base_prompt"] == SYSTEM
    assert told["template"]["user_prompt"] == "Context:\nWeek {{week}} is about {{topic}}.\n\nQuestion: {{question}}\nAnswer:"
    assert told["template"]["variables"] == [variable["name"] for variable in told["variables"]]
    assert (told["coverage"], told["unmatched"], told["unmatched_count"], told["others"]) == (1.0, [], 0, [])
    assert 0.5 < told["confidence"] < 1
    assert (told["prompts"], told["distinct"], told["without_text"], told["is_complete"]) == (30, 30, 0, True)
    assert told["version"] is None
    exemplar = told["exemplars"][0]
    trace = (await owner.client.get(f"{owner.w}/traces/{exemplar['trace_id']}")).json()
    assert exemplar["values"]["question"] in trace["spans"][0]["attributes"]["gen_ai.input.messages"]


async def test_a_saved_template_is_a_draft_that_renders_what_was_sent(owner: Person, database: Database) -> None:
    await store(database, owner, prompts(20, **{"gen_ai.request.temperature": 0.2}))
    agent_id = await agent_of(owner)

    told = await infer(owner, agent_id, save=True)

    version = (await owner.client.get(f"{owner.w}/agents/{agent_id}/config/versions/1")).json()
    assert (told["version"], version["source"], version["labels"]) == (1, "inference", [])
    assert version["config"]["hyperparameters"]["model"] == "sim/standard"
    assert version["config"]["hyperparameters"]["temperature"] == 0.2
    values = told["exemplars"][0]["values"]
    rendered = await owner.client.post(f"{owner.w}/agents/{agent_id}/render", json={"variables": values, "version": 1})
    sent = orjson.loads(messages(19))
    assert [(each["role"], each["content"]) for each in rendered.json()["messages"]] == [
        (each["role"], each["content"]) for each in sent
    ]


async def test_saving_the_same_again_makes_no_second_version_and_no_second_entry(owner: Person, database: Database) -> None:
    await store(database, owner, prompts(20))
    agent_id = await agent_of(owner)

    told = [(await infer(owner, agent_id, save=True))["version"] for _ in range(2)]

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        log = await list_audit_log(
            session,
            owner.caller(),
            filter=AuditFilter(action="config.created"),
            page=PageRequest(limit=9, offset=0, sort="-created_at"),
        )
    assert told == [1, 1]
    assert len(log.results) == 1


@pytest.mark.own_database
async def test_two_who_save_at_once_make_one_version(owner: Person, database: Database) -> None:
    await store(database, owner, prompts(20))
    agent_id = await agent_of(owner)

    told = await asyncio.gather(*(infer(owner, agent_id, save=True) for _ in range(2)))

    assert [each["version"] for each in told] == [1, 1]


async def test_a_saved_template_keeps_the_parameters_of_the_newest_version(owner: Person, database: Database) -> None:
    agent = await create_agent(owner, name="support", config=config(model="sim/careful", temperature=0.7))
    await store(database, owner, prompts(20))

    told = await infer(owner, agent["id"], save=True)

    version = (await owner.client.get(f"{owner.w}/agents/{agent['id']}/config/versions/2")).json()
    assert told["version"] == 2
    assert version["config"]["hyperparameters"] == config(model="sim/careful", temperature=0.7)["hyperparameters"] | {
        name: value for name, value in version["config"]["hyperparameters"].items() if name not in {"model", "temperature"}
    }
    assert (await owner.client.get(f"{owner.w}/agents/{agent['id']}")).json()["production_version"] == 1


async def test_parameters_that_are_none_are_left_out(owner: Person, database: Database) -> None:
    await store(database, owner, prompts(10, **{"gen_ai.request.temperature": [0.2], "gen_ai.request.max_tokens": {"a": 1}}))
    agent_id = await agent_of(owner)

    told = await infer(owner, agent_id, save=True)

    version = (await owner.client.get(f"{owner.w}/agents/{agent_id}/config/versions/{told['version']}")).json()
    assert (version["config"]["hyperparameters"]["temperature"], told["prompts"]) == (None, 10)


async def test_what_came_with_a_prompt_counts_as_what_is_read(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "x" * 1_000}]
    sent = [*spoken, {"role": "user", "content": "Where is my order?"}]
    attributes = {"gen_ai.input.messages": orjson.dumps(sent).decode()}
    await store(database, owner, [call(new_trace_id(), 1, agent_name="support", attributes=attributes) for _ in range(10)])
    monkeypatch.setattr("spectral_platform.inference.queries.MOST_CHARACTERS", 5_500)
    monkeypatch.setattr("spectral_platform.inference.queries.SPANS_AT_ONCE", 3)
    monkeypatch.setattr("spectral_platform.inference.queries.CALLS_AT_ONCE", 2)

    told = await infer(owner, await agent_of(owner))

    assert (told["prompts"], told["is_complete"]) == (5, False)


async def test_an_agent_without_prompts_has_no_template_and_nothing_to_save(owner: Person) -> None:
    agent = await create_agent(owner)

    told = await infer(owner, agent["id"])

    assert (told["template"], told["coverage"], told["confidence"], told["prompts"]) == (None, 0, 0, 0)
    assert await refusal(owner, agent["id"], save=True) == (400, "business-rule-violation")
    assert await refusal(owner, str(UUID(int=1))) == (404, "not-found")


async def test_prompts_that_no_template_makes_are_named(owner: Person, database: Database) -> None:
    stray = call(
        new_trace_id(),
        1,
        agent_name="support",
        attributes={"gen_ai.input.messages": orjson.dumps([{"role": "user", "content": "zzz"}]).decode()},
    )
    silent = call(new_trace_id(), 1, agent_name="support", attributes={})
    await store(database, owner, [*prompts(20), stray, silent])

    told = await infer(owner, await agent_of(owner))

    assert told["unmatched"] == [{"trace_id": stray.trace_id, "span_id": stray.span_id}]
    assert (told["prompts"], told["without_text"], told["coverage"]) == (21, 1, pytest.approx(20 / 21, abs=1e-3))


async def test_only_calls_beneath_the_agent_are_its_own(owner: Person, database: Database) -> None:
    spans: list[SpanDraft] = []
    for number in range(12):
        trace_id = new_trace_id()
        spans += [
            draft(trace_id, 1, kind=SpanKind.AGENT, agent_name="planner"),
            draft(trace_id, 2, 1, kind=SpanKind.AGENT, agent_name="support"),
            draft(trace_id, 3, 2, kind=SpanKind.CHAIN),
            call(trace_id, 4, 3, attributes={"gen_ai.input.messages": messages(number)}),
            call(trace_id, 5, 1, attributes={"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": f"Plan week {number}."}),
        ]
    await store(database, owner, spans)

    support, planner = [await infer(owner, await agent_of(owner, name)) for name in ("support", "planner")]

    assert (support["prompts"], planner["prompts"]) == (12, 12)
    assert support["template"]["base_prompt"] == SYSTEM
    assert planner["template"]["base_prompt"] == "Plan week {{week}}."


async def test_the_steps_of_one_run_count_once(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    steps = [call(trace_id, step, agent_name="support", attributes={"gen_ai.input.messages": messages(1)}) for step in (1, 2, 3)]
    await store(database, owner, steps)

    assert (await infer(owner, await agent_of(owner)))["prompts"] == 1


async def test_the_newest_prompts_from_a_time_on_are_read(owner: Person, database: Database) -> None:
    await store(database, owner, prompts(20))
    agent_id = await agent_of(owner)

    newest = await infer(owner, agent_id, limit=5)
    later = await infer(owner, agent_id, since=(START + timedelta(seconds=12)).isoformat())

    assert (newest["prompts"], newest["is_complete"]) == (5, False)
    assert (later["prompts"], later["is_complete"]) == (8, True)


async def test_a_scan_says_which_prompts_to_read(owner: Person, database: Database) -> None:
    scannable = await make_scannable(owner, database)
    scan = await scannable.start()
    covered = scan["settings"]["agents"][0]["agent_id"]
    other = await create_agent(owner)

    assert (await infer(owner, covered, scan_id=scan["scan_id"]))["prompts"] == 0
    assert await refusal(owner, other["id"], scan_id=scan["scan_id"]) == (400, "business-rule-violation")
    assert await refusal(owner, covered, scan_id=str(UUID(int=1))) == (404, "not-found")
    assert await refusal(owner, covered, scan_id=scan["scan_id"], since=START.isoformat()) == (422, "validation-error")


@pytest.mark.parametrize("program", ["while True: pass", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
async def test_an_inference_that_does_not_end_well_is_given_up(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    await store(database, owner, prompts(3))
    agent_id = await agent_of(owner)
    command: Sequence[str] = (sys.executable, "-c", program)
    monkeypatch.setattr(apart, "COMMAND", command)
    monkeypatch.setattr(apart, "SECONDS", 0.3)

    assert await refusal(owner, agent_id) == (503, "unavailable")
