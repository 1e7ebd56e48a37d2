"""Budgets that cannot be overshot and answers that are stored before they are used."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.llm.calling import CallLabel, ModelCaller
from spectral_platform.llm.commands import charge_abandoned, open_budget
from spectral_platform.llm.errors import AttemptSuperseded, BudgetExhausted, ProviderUnavailable
from spectral_platform.llm.ledger import Entry, Ledger, Tenant
from spectral_platform.llm.messages import Message, ModelAnswer, ModelRequest, Role
from spectral_platform.llm.models import ScanBudget
from spectral_platform.llm.providers.catalogue import Providers
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.queries import get_budget, load_answers
from spectral_platform.scans.run import claiming, event
from spectral_platform.scans.states import Phase
from tests.fixtures.callers import Person
from tests.scans.factories import insert_scan

LABEL = CallLabel(phase="observe", purpose=Purpose.AGENT_TURN)


class Counting:
    """The simulator, counted, and unavailable for the first calls."""

    name = "simulator"
    is_simulated = True

    def __init__(self, failures: int = 0, pause_s: float = 0.0) -> None:
        self.asked = 0
        self.failures = failures
        self.pause_s = pause_s
        self._simulator = SimulatorProvider()

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Answer as the simulator does."""
        self.asked += 1
        await asyncio.sleep(self.pause_s)
        if self.asked <= self.failures:
            raise ProviderUnavailable("not now", retry_after_s=0)
        return await self._simulator.complete(request)


def request(question: str) -> ModelRequest:
    return ModelRequest(
        model="sim/standard",
        messages=(Message(role=Role.SYSTEM, content="Help."), Message(role=Role.USER, content=question)),
        max_output_tokens=50,
    )


async def budgeted(database: Database, owner: Person, *, calls: int, held: int = 0, usd: Decimal = Decimal(5)) -> Tenant:
    """A scan's row with a budget, as its first attempt sees it."""
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        scan_id = await insert_scan(session, owner)
        await open_budget(
            session,
            workspace_id=owner.workspace_id,
            scan_id=scan_id,
            max_usd=usd,
            max_calls=calls,
            held_usd=Decimal(0),
            held_calls=held,
        )
        await charge_abandoned(session, workspace_id=owner.workspace_id, scan_id=scan_id, attempt=1)
    return Tenant(owner.account_id, owner.workspace_id, scan_id, 1)


async def budget_of(database: Database, tenant: Tenant) -> ScanBudget:
    async with database.transaction(account_id=tenant.account_id, workspace_id=tenant.workspace_id) as session:
        return await get_budget(session, tenant.workspace_id, tenant.scan_id)


def caller_of(database: Database, tenant: Tenant, provider: Counting) -> tuple[ModelCaller, Ledger]:
    ledger = Ledger(database, tenant)
    providers = Providers(provider, None)
    return ModelCaller(providers, ledger, known={}, concurrency=16), ledger


async def test_a_hundred_reservers_on_connections_of_their_own_never_get_more_than_there_is(
    database: Database, owner: Person
) -> None:
    tenant = await budgeted(database, owner, calls=10_000, usd=Decimal("1.00"))
    crowd = Database(database.url, pool_size=50)
    assert crowd.connections_most == 100

    async def spend_all(ledger: Ledger) -> int:
        """Promise three cents and spend them, again and again, until there is no more."""
        answered = 0
        while True:
            try:
                await ledger.write(Entry(reserve_usd=Decimal("0.03"), reserve_calls=1))
            except BudgetExhausted:
                return answered
            await ledger.write(Entry(reserve_usd=Decimal("-0.03"), reserve_calls=-1, spend_usd=Decimal("0.03"), spend_calls=1))
            answered += 1

    try:
        answered = await asyncio.gather(*(spend_all(Ledger(crowd, tenant)) for _ in range(100)))
    finally:
        await crowd.close()

    budget = await budget_of(database, tenant)
    assert sum(answered) == budget.spent_calls == 33
    assert (budget.spent_usd, budget.reserved_usd) == (Decimal("0.99"), Decimal(0))
    assert budget.reserved_calls == 0


async def test_a_group_that_does_not_fit_as_a_whole_is_booked_one_by_one(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=30)
    ledger = Ledger(database, tenant)
    await ledger.write(Entry(reserve_calls=2))

    results = await asyncio.gather(
        ledger.write(Entry(reserve_calls=27)),
        ledger.write(Entry(reserve_calls=27)),
        ledger.write(Entry(reserve_calls=-2, spend_calls=1)),
        ledger.write(Entry(reserve_calls=1)),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [type(None), BudgetExhausted, type(None), type(None)]
    budget = await budget_of(database, tenant)
    assert (budget.reserved_calls, budget.spent_calls) == (28, 1)


async def test_what_a_cancelled_caller_posted_is_booked_once_and_keeps_nobody_waiting(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=30)
    ledger = Ledger(database, tenant)
    waiting = [asyncio.create_task(ledger.write(Entry(reserve_calls=1))) for _ in range(3)]
    await asyncio.sleep(0)  # all have posted, and the group is about to be written
    waiting[1].cancel()

    results = await asyncio.gather(*waiting, return_exceptions=True)
    await ledger.drain()

    assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
    assert (await budget_of(database, tenant)).reserved_calls == 3


async def test_ledgers_that_keep_connections_leave_half_of_them_to_others(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=30)
    small = Database(database.url, pool_size=1)
    first, second = Ledger(small, tenant), Ledger(small, tenant)
    try:
        async with first.connected(), second.connected():
            for ledger in (first, second):
                await ledger.write(Entry(reserve_calls=1))
            assert small.connections_in_use() == small.connections_most // 2
        assert small.connections_in_use() == 0
    finally:
        await small.close()


async def test_money_is_a_limit_of_its_own(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=1000, usd=Decimal("0.05"))
    ledger = Ledger(database, tenant)

    results = await asyncio.gather(
        *(ledger.write(Entry(reserve_usd=Decimal("0.02"), reserve_calls=1)) for _ in range(5)), return_exceptions=True
    )

    assert sum(result is None for result in results) == 2
    assert (await budget_of(database, tenant)).reserved_usd == Decimal("0.04")


async def test_the_held_share_is_for_the_holdout_alone(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=10, held=4)
    ledger = Ledger(database, tenant)
    for _ in range(6):
        await ledger.write(Entry(reserve_calls=1))

    with pytest.raises(BudgetExhausted):
        await ledger.write(Entry(reserve_calls=1))
    await ledger.write(Entry(reserve_calls=4, may_use_held=True))

    assert (await budget_of(database, tenant)).reserved_calls == 10


async def test_a_superseded_attempt_can_write_nothing(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=10)
    provider = Counting()
    caller, _ = caller_of(database, tenant, provider)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await charge_abandoned(session, workspace_id=owner.workspace_id, scan_id=tenant.scan_id, attempt=2)

    with pytest.raises(AttemptSuperseded):
        await caller.ask(request("Hello?"), LABEL)

    assert provider.asked == 0


async def test_an_answer_is_asked_once_and_stored(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=10)
    provider = Counting(pause_s=0.01)
    caller, _ = caller_of(database, tenant, provider)

    first, second = await asyncio.gather(caller.ask(request("Hello?"), LABEL), caller.ask(request("Hello?"), LABEL))
    await caller.stored()
    third = await caller.ask(request("Hello?"), LABEL)
    await caller.stored()

    assert first == second == third
    assert provider.asked == 1
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        stored = await load_answers(session, owner.workspace_id, [tenant.scan_id], sealed=False)
        hits = await session.scalar(text("SELECT hits FROM model_calls WHERE scan_id = :id"), {"id": tenant.scan_id})
    assert [paid.answer.text for paid in stored.values()] == [first.answer.text]
    assert hits == 2
    budget = await budget_of(database, tenant)
    assert (budget.spent_calls, budget.reserved_calls) == (1, 0)
    assert budget.spent_usd == first.cost_usd


async def test_an_answer_is_stored_whose_group_holds_more_than_fits(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=2)
    caller, _ = caller_of(database, tenant, Counting())

    await caller.ask(request("Hello?"), LABEL)
    more = await asyncio.gather(*(caller.ask(request(f"{n}?"), LABEL) for n in range(2)), return_exceptions=True)
    await caller.stored()

    assert [isinstance(answer, BudgetExhausted) for answer in more] == [False, True]
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        assert len(await load_answers(session, owner.workspace_id, [tenant.scan_id], sealed=False)) == 2
    budget = await budget_of(database, tenant)
    assert (budget.spent_calls, budget.reserved_calls) == (2, 0)


async def test_refused_attempts_are_tried_again_and_cost_nothing(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=1)
    provider = Counting(failures=1)
    caller, _ = caller_of(database, tenant, provider)

    await caller.ask(request("Hello?"), LABEL)
    await caller.stored()

    assert provider.asked == 2
    assert (await budget_of(database, tenant)).spent_calls == 1


async def test_an_abandoned_call_stays_reserved_and_is_charged_by_the_next_attempt(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=10)
    caller, ledger = caller_of(database, tenant, Counting(pause_s=30))
    asking = asyncio.create_task(caller.ask(request("Hello?"), LABEL))
    while (await budget_of(database, tenant)).reserved_calls == 0:
        await ledger.drain()
        await asyncio.sleep(0)

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    reserved = (await budget_of(database, tenant)).reserved_usd
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await charge_abandoned(session, workspace_id=owner.workspace_id, scan_id=tenant.scan_id, attempt=2)

    budget = await budget_of(database, tenant)
    assert reserved > 0
    assert (budget.spent_calls, budget.reserved_calls) == (1, 0)
    assert budget.spent_usd == reserved


async def test_whoever_waits_for_an_entry_hears_of_any_error(database: Database, owner: Person) -> None:
    ledger = Ledger(database, await budgeted(database, owner, calls=10))
    unstorable: dict[str, object] = {"key": "half an emoji \ud83d"}

    with pytest.raises(Exception, match="surrogates"):
        await asyncio.wait_for(ledger.write(Entry(answer=unstorable)), timeout=10)

    await ledger.write(Entry(reserve_calls=1))


async def test_no_call_is_made_because_of_an_answer_that_was_lost(database: Database, owner: Person) -> None:
    provider = Counting()
    tenant = await budgeted(database, owner, calls=10)
    caller, _ = caller_of(database, tenant, provider)
    unstorable = replace(LABEL, case_key="half an emoji \ud83d")

    await caller.ask(request("Hello?"), unstorable)
    with pytest.raises(Exception, match="surrogates"):
        await caller.ask(request("And then?"), LABEL)
    with pytest.raises(Exception, match="surrogates"):
        await caller.stored()
    with pytest.raises(Exception, match="surrogates"):
        await caller.ask(request("And after that?"), LABEL)

    assert provider.asked == 1
    assert (await budget_of(database, tenant)).reserved_calls == 1


async def told(database: Database, tenant: Tenant) -> list[tuple[int, str]]:
    async with database.transaction(account_id=tenant.account_id, workspace_id=tenant.workspace_id) as session:
        statement = text("SELECT sequence, subject FROM scan_events WHERE scan_id = :id ORDER BY sequence")
        return [(row.sequence, row.subject) for row in await session.execute(statement, {"id": tenant.scan_id})]


async def take_up(database: Database, tenant: Tenant, *, attempt: int) -> None:
    async with database.transaction(account_id=tenant.account_id, workspace_id=tenant.workspace_id) as session:
        await session.execute(
            text("UPDATE scans SET attempt = :attempt WHERE id = :id"), {"attempt": attempt, "id": tenant.scan_id}
        )


def telling(tenant: Tenant, *subjects: str) -> Entry:
    return Entry(further=(claiming(tenant), *(event(tenant, Phase.OBSERVE, "told", subject, "Word.") for subject in subjects)))


async def test_what_is_written_further_is_there_in_its_order_before_the_next_call_is_made(
    database: Database, owner: Person
) -> None:
    tenant = await budgeted(database, owner, calls=10)
    await take_up(database, tenant, attempt=1)
    heard: list[list[tuple[int, str]]] = []

    class Listening(Counting):
        async def complete(self, request: ModelRequest) -> ModelAnswer:
            """Answer, and note what was told until then."""
            heard.append(await told(database, tenant))
            return await super().complete(request)

    caller, ledger = caller_of(database, tenant, Listening())

    ledger.post(telling(tenant, "first", "second"))
    ledger.post(telling(tenant, "third", "first"))
    await caller.ask(request("Hello?"), LABEL)

    assert heard == [[(1, "first"), (2, "second"), (3, "third")]]


async def test_a_superseded_attempt_writes_nothing_further_and_hears_so_when_it_asks(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=10)
    await take_up(database, tenant, attempt=2)
    provider = Counting()
    caller, ledger = caller_of(database, tenant, provider)

    ledger.post(telling(tenant, "too late"))
    with pytest.raises(AttemptSuperseded):
        await caller.ask(request("Hello?"), LABEL)
    with pytest.raises(AttemptSuperseded):
        await caller.stored()

    assert provider.asked == 0
    assert await told(database, tenant) == []


async def test_nothing_is_told_that_may_rest_on_an_answer_that_was_lost(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=10)
    await take_up(database, tenant, attempt=1)
    ledger = Ledger(database, tenant)

    ledger.post(Entry(answer={"key": "half an emoji \ud83d"}))
    ledger.post(telling(tenant, "in the same group"))
    with pytest.raises(Exception, match="surrogates"):
        await ledger.stored()
    ledger.post(telling(tenant, "later"))
    with pytest.raises(Exception, match="surrogates"):
        await ledger.stored()

    assert await told(database, tenant) == []


async def test_what_was_reserved_beside_an_event_that_was_lost_is_given_back(database: Database, owner: Person) -> None:
    tenant = await budgeted(database, owner, calls=10)
    await take_up(database, tenant, attempt=1)
    ledger = Ledger(database, tenant)

    ledger.post(telling(tenant, "half an emoji \ud83d"))
    with pytest.raises(Exception, match="surrogates"):
        await ledger.write(Entry(reserve_usd=Decimal(1), reserve_calls=1))
    await ledger.drain()

    budget = await budget_of(database, tenant)
    assert (budget.reserved_usd, budget.reserved_calls, budget.spent_calls) == (Decimal(0), 0, 0)


def test_ids_are_sortable_and_version_seven() -> None:
    ids: list[UUID] = [clock.new_id() for _ in range(100)]

    assert len(set(ids)) == 100
    assert {made.version for made in ids} == {7}
    assert [made.int >> 80 for made in ids] == sorted(made.int >> 80 for made in ids)
