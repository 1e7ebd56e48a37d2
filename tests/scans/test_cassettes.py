"""A scan that is recorded, and replayed without anybody to ask."""

import os
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.evaluations.scores.models import TraceScore
from spectral_platform.llm.calling import CallLabel, ModelCaller
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.errors import CassetteMiss, CassetteUnreadable
from spectral_platform.llm.messages import Message, ModelAnswer, ModelRequest, Role
from spectral_platform.llm.providers.cassettes import Recorder, ReplayProvider
from spectral_platform.llm.providers.catalogue import Providers
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.purse import Purse
from spectral_platform.worker.runner import run_worker
from tests.fixtures.callers import Person
from tests.fixtures.llm import AGENT, JUDGE, PROPOSER, ModelServer
from tests.scans.workspaces import Scannable, make_scannable, make_scannable_on_endpoint


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """A server that has no provider, only a cassette."""
    return Settings(database_url=database_url, data_dir=tmp_path, workers=0, cassette=tmp_path / "scan.jsonl")


@pytest.fixture
def recording(settings: Settings, model_server: ModelServer) -> Settings:
    """A server that records what the endpoint answers."""
    endpoint = {"openai_base_url": model_server.url, "openai_api_key": SecretStr("secret"), "cassette_mode": "record"}
    return settings.model_copy(update=endpoint)


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable_on_endpoint(owner, database)


async def run_to_the_end(scannable: Scannable, settings: Settings, **wanted: Any) -> dict[str, Any]:
    """The scan when it has ended."""
    started = await scannable.start(**wanted)
    await run_worker(settings, str(settings.database_url), until_idle=True)
    return await scannable.get(f"scans/{started['scan_id']}")


async def test_a_replayed_scan_asks_nobody_ends_alike_and_moves_nothing(
    scannable: Scannable, settings: Settings, recording: Settings, model_server: ModelServer
) -> None:
    recorded = await run_to_the_end(scannable, recording)
    asked = model_server.received
    assert (recorded["status"], recorded["verdict"]["outcome"]) == ("completed", "improve")
    assert recorded["verdict"]["replayed"] is False

    replayed = await run_to_the_end(scannable, settings)

    assert model_server.received == asked
    assert (replayed["status"], replayed["failure"]) == ("completed", None)
    assert replayed["verdict"] == {**recorded["verdict"], "replayed": True}
    cost = await scannable.get(f"scans/{replayed['scan_id']}/cost")
    assert {entry["provider"] for entry in cost["by_model"]} == {"replay"}
    owner = scannable.owner
    accepted = await owner.client.post(f"{owner.w}/changesets/{replayed['changeset_id']}/accept")
    assert accepted.status_code == 400
    assert "replayed from a cassette" in accepted.json()["detail"]
    assert settings.cassette is not None
    assert stat.S_IMODE(os.stat(settings.cassette).st_mode) == 0o600

    other = await run_to_the_end(scannable, settings, seed=2)

    assert model_server.received == asked
    assert (other["status"], other["failure"]["slug"]) == ("failed", "business-rule-violation")
    assert f"no answer of {AGENT}" in other["failure"]["detail"]


async def test_a_replayed_judge_leaves_no_word_about_traces(
    owner: Person, database: Database, settings: Settings, recording: Settings
) -> None:
    scannable = await make_scannable(owner, database, model=AGENT, judged=True, samples=20)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        purposes = {Purpose.SCORING: JUDGE, Purpose.REASONING: PROPOSER}
        await choose_models(session, workspace_id=owner.workspace_id, purposes=purposes)
    trace = {"agent": "support-agent", "input": "Where is order 1?", "output": "On its way, see [KB-1]."}
    await owner.client.post(f"{owner.w}/traces", json={"traces": [trace]})

    made = [await run_to_the_end(scannable, server, seed=1, budget={"max_model_calls": 160}) for server in (recording, settings)]

    assert [scan["failure"] for scan in made] == [None, None]
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        judged = select(TraceScore.scan_id).where(TraceScore.judge_model.is_not(None)).distinct()
        assert [str(scan_id) for scan_id in await session.scalars(judged)] == [made[0]["scan_id"]]


async def test_what_a_cassette_lacks_is_named_and_what_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text('{"key": "cut off by a cra')
    question = ModelRequest(model="m", messages=(Message(role=Role.USER, content="When?"),), max_output_tokens=1)

    with pytest.raises(CassetteMiss, match=r"empty\.jsonl has no answer of m to 'When\?'"):
        await ReplayProvider(path).complete(question)
    purse = Purse(max_usd=Decimal(1), max_calls=1)
    asking = ModelCaller(Providers(SimulatorProvider(), ReplayProvider(path)), purse, known={}, concurrency=1)
    with pytest.raises(CassetteMiss) as sealed:
        await asking.ask(question, CallLabel("evaluate", Purpose.AGENT_TURN, is_sealed=True))
    assert "When?" not in sealed.value.detail
    path.write_text("{}\n")
    with pytest.raises(CassetteUnreadable, match="line 1"):
        ReplayProvider(path)
    path.write_text('{"format": 2}\n')
    with pytest.raises(CassetteUnreadable, match="line 1"):
        ReplayProvider(path)
    with pytest.raises(CassetteUnreadable, match="FileNotFoundError"):
        ReplayProvider(tmp_path / "absent.jsonl")


async def test_a_line_that_a_crash_cut_off_spoils_no_later_one(tmp_path: Path) -> None:
    path = tmp_path / "scan.jsonl"
    questions = [
        ModelRequest(model="m", messages=(Message(role=Role.USER, content=asked),), max_output_tokens=1)
        for asked in ("a", "bc", "d")
    ]

    for number, question in enumerate(questions):
        answer = ModelAnswer(text=str(number), input_tokens=1, output_tokens=1, latency_ms=1)
        Recorder(path).record("openai", question, answer, None)
        if number == 1:
            path.write_bytes(path.read_bytes()[:-5])

    replayed = ReplayProvider(path)
    assert [(await replayed.complete(questions[number])).text for number in (0, 2)] == ["0", "2"]
    with pytest.raises(CassetteMiss):
        await replayed.complete(questions[1])
