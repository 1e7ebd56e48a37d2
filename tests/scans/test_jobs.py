"""What the worker does with a scan's order when somebody else was faster, or when the work breaks off."""

import asyncio
from uuid import uuid4

import pytest
from psycopg import DataError
from sqlalchemy import select, text

from spectral_platform.core.database import Database
from spectral_platform.core.jobs import JobContext
from spectral_platform.core.settings import Settings
from spectral_platform.llm.calling import CallLabel
from spectral_platform.llm.errors import BudgetExhausted, ProviderUnavailable, ProviderUnconfigured
from spectral_platform.llm.ledger import Entry, Ledger, Tenant
from spectral_platform.llm.messages import Message, ModelRequest, Role
from spectral_platform.llm.models import ModelCall
from spectral_platform.llm.purposes import Purpose
from spectral_platform.samples.models import PublishedSample
from spectral_platform.scans import execution, jobs
from spectral_platform.scans.errors import ScanAlreadyActive
from spectral_platform.scans.execution import ScanCancelled
from spectral_platform.scans.run import Run, add_events, event
from spectral_platform.scans.states import Phase, ScanStatus
from spectral_platform.scans.unsealing import LOOKED
from spectral_platform.scans.work import ExecuteScan
from spectral_platform.worlds.models import HoldoutExposure
from spectral_platform.worlds.readings import keeping
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import QUICK, make_scannable

Standing = tuple[str, int, int, int, int]


@pytest.fixture
async def order(owner: Person, database: Database) -> ExecuteScan:
    started = await (await make_scannable(owner, database, samples=0)).start()
    return ExecuteScan(account_id=owner.account_id, workspace_id=owner.workspace_id, scan_id=started["scan_id"])


@pytest.fixture
def context(database: Database, settings: Settings) -> JobContext:
    return JobContext(database=database, settings=settings)


async def standing(context: JobContext, order: ExecuteScan) -> Standing:
    """Status and attempt of the scan; attempt, reserved and spent calls of its budget."""
    async with context.database.transaction(account_id=order.account_id, workspace_id=order.workspace_id) as session:
        statement = (
            "SELECT s.status, s.attempt, b.attempt, b.reserved_calls, b.spent_calls"
            " FROM scans s JOIN scan_budgets b ON b.scan_id = s.id WHERE s.id = :id"
        )
        row = (await session.execute(text(statement), {"id": order.scan_id})).one()
        return row[0], row[1], row[2], row[3], row[4]


@pytest.mark.parametrize("ending", [ProviderUnconfigured(["gpt"], missing=["a key"]), ScanCancelled()])
async def test_a_superseded_worker_ends_nothing(
    ending: Exception, order: ExecuteScan, context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def loses_the_scan(context: JobContext, tenant: Tenant) -> None:
        taken = await jobs._take_over(context, order)
        assert taken is not None
        await Ledger(context.database, taken).write(Entry(reserve_calls=3))
        raise ending

    monkeypatch.setattr(jobs, "execute", loses_the_scan)

    await jobs.execute_scan(context, order)

    assert await standing(context, order) == ("running", 2, 2, 3, 0)


async def test_a_scan_that_lost_an_answer_when_its_budget_was_spent_reaches_no_verdict(
    order: ExecuteScan, context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spends_it_all(run: Run) -> None:
        question = ModelRequest(model="sim/standard", messages=(Message(role=Role.USER, content="Hello?"),), max_output_tokens=50)
        unstorable = CallLabel(run.phase, Purpose.AGENT_TURN, case_key="half an emoji \ud83d")
        await run.caller.ask(question, unstorable)
        raise BudgetExhausted

    monkeypatch.setattr(execution, "BEFORE_THE_VERDICT", ((Phase.OBSERVE, spends_it_all),))
    taken = await jobs._take_over(context, order)
    assert taken is not None

    with pytest.raises(Exception, match="surrogates"):
        await execution.execute(context, taken)

    assert (await standing(context, order))[0] == "running"


async def test_a_scan_that_fails_does_not_end_without_what_it_told_before(
    order: ExecuteScan, context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tells_and_fails(run: Run) -> None:
        run.emit("told", "unstorable \0")
        raise ProviderUnconfigured(["gpt"], missing=["a key"])

    monkeypatch.setattr(execution, "BEFORE_THE_VERDICT", ((Phase.OBSERVE, tells_and_fails),))

    with pytest.raises(DataError):
        await jobs.execute_scan(context, order)

    assert (await standing(context, order))[0] == "running"


async def test_a_scan_that_is_given_up_frees_its_agent_and_fences_out_whoever_still_runs_it(
    order: ExecuteScan, context: JobContext
) -> None:
    taken = await jobs._take_over(context, order)
    assert taken is not None
    await Ledger(context.database, taken).write(Entry(reserve_calls=2))

    await jobs.fail_scan(context, order)
    await jobs.fail_scan(context, order)

    assert await standing(context, order) == ("failed", 2, 2, 0, 2)


async def test_a_fault_that_may_pass_does_not_end_the_scan(
    order: ExecuteScan, context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_down(context: JobContext, tenant: Tenant) -> None:
        raise ProviderUnavailable("not now")

    monkeypatch.setattr(jobs, "execute", is_down)

    with pytest.raises(ProviderUnavailable):
        await jobs.execute_scan(context, order)

    assert (await standing(context, order))[0] == "running"


@pytest.mark.own_database
async def test_a_scan_that_went_from_worker_to_worker_outlives_a_fault_that_may_pass(
    order: ExecuteScan, context: JobContext, work: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_down(context: JobContext, tenant: Tenant) -> None:
        raise ProviderUnavailable("not now")

    monkeypatch.setattr(jobs, "execute", is_down)
    async with context.database.transaction() as session:
        await session.execute(text("UPDATE procrastinate_jobs SET attempts = 20"))

    await work()

    assert (await standing(context, order))[0] == "running"


async def test_a_scan_that_was_cancelled_while_nobody_ran_it_ends_when_it_is_taken_up(
    order: ExecuteScan, context: JobContext, owner: Person
) -> None:
    assert await jobs._take_over(context, order) is not None
    cancelled = await owner.client.post(f"{owner.w}/scans/{order.scan_id}/cancel")
    assert cancelled.json()["status"] == "cancelling"

    await jobs.execute_scan(context, order)

    assert (await standing(context, order))[0] == "cancelled"
    again = await owner.client.post(f"{owner.w}/scans/{order.scan_id}/retry")
    assert again.status_code == 202


async def test_a_scan_whose_agent_is_deleted_fails_at_once(
    order: ExecuteScan, context: JobContext, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def goes_on_for_hours(run: Run) -> None:
        (agent,) = run.settings.agents
        deleted = await owner.client.delete(f"{owner.w}/agents/{agent.agent_id}")
        assert deleted.status_code == 204
        await asyncio.Event().wait()

    monkeypatch.setattr(execution, "BEFORE_THE_VERDICT", ((Phase.OBSERVE, goes_on_for_hours),))

    async with asyncio.timeout(10):
        await jobs.execute_scan(context, order)

    assert (await standing(context, order))[0] == "failed"
    failed = (await owner.client.get(f"{owner.w}/scans/{order.scan_id}")).json()
    assert failed["failure"]["slug"] == "not-found"


async def test_of_two_scans_of_an_agent_that_are_asked_for_at_once_one_begins(order: ExecuteScan, owner: Person) -> None:
    assert (await owner.client.post(f"{owner.w}/scans/{order.scan_id}/cancel")).json()["status"] == "cancelled"

    answers = await asyncio.gather(*(owner.client.post(f"{owner.w}/scans", json=QUICK) for _ in range(2)))

    assert sorted(answer.status_code for answer in answers) == [202, 400]
    refused = next(answer.json() for answer in answers if answer.status_code == 400)
    assert refused["type"].endswith(ScanAlreadyActive.slug)


@pytest.mark.parametrize(("looked", "retries"), [(True, False), (True, True), (False, False)])
async def test_sealed_cases_that_a_scan_looked_at_have_served_even_without_a_verdict(
    owner: Person, database: Database, context: JobContext, looked: bool, retries: bool
) -> None:
    started = await (await make_scannable(owner, database, samples=20)).start()
    order = ExecuteScan(account_id=owner.account_id, workspace_id=owner.workspace_id, scan_id=started["scan_id"])
    tenant = await jobs._take_over(context, order)
    assert tenant is not None
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        async with keeping(session):
            asked = (await session.scalars(select(PublishedSample).order_by(PublishedSample.content_hash).limit(3))).all()
        await session.execute(text("UPDATE scans SET simulated = false WHERE id = :id"), {"id": order.scan_id})
        if looked:
            await add_events(session, event(tenant, Phase.EVALUATE, LOOKED, "1", "Look 1 of 3."))
        asking = order
        if retries:
            asking = order.model_copy(update={"scan_id": uuid4()})
            ids = {"id": order.scan_id, "former": asking.scan_id}
            await session.execute(text(COPY_AS_FORMER), ids)
            await session.execute(text("UPDATE scans SET retried_from = :former WHERE id = :id"), ids)
        session.add_all(sealed_call(asking, sample.content_hash) for sample in asked)

    failure = {"slug": "internal-error", "detail": "It broke."}
    await jobs._end(context, tenant, ScanStatus.FAILED, "scan_failed", "It broke.", failure)

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session, keeping(session):
        served = set(await session.scalars(select(HoldoutExposure.content_group)))
    assert served == ({sample.content_group for sample in asked} if looked else set())


COPY_AS_FORMER = """
    INSERT INTO scans
    SELECT (jsonb_populate_record(scans, jsonb_build_object('id', cast(:former AS text), 'status', 'failed'))).*
    FROM scans WHERE id = :id
"""


def sealed_call(order: ExecuteScan, case_key: str) -> ModelCall:
    """An answer on a sealed case, as the ledger keeps it."""
    counts = dict.fromkeys(("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "latency_ms", "hits"), 0)
    return ModelCall(
        workspace_id=order.workspace_id,
        scan_id=order.scan_id,
        key=case_key,
        phase=Phase.EVALUATE,
        purpose=Purpose.AGENT_TURN,
        candidate="baseline",
        case_key=case_key,
        repeat=0,
        provider="openai",
        model="gpt",
        is_simulated=False,
        is_sealed=True,
        answer="",
        finish_reason="stop",
        **counts,
    )
