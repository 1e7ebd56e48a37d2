"""Quotes: what a budget buys, and that a scan takes no more than it was quoted."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spectral_platform.core.database import Database
from spectral_platform.llm.queries import get_budget
from spectral_platform.scans.quoting import Shape
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import JUDGED, make_scannable

SIZES = st.integers(0, 3_000)
SHAPES = st.builds(
    Shape,
    agents=st.integers(1, 20),
    train=SIZES,
    dev=SIZES,
    holdout=SIZES,
    holdout_groups=SIZES,
    selection_votes=st.integers(0, 20),
    verdict_votes=st.integers(0, 60),
    has_proposer=st.booleans(),
)


@given(
    shape=SHAPES,
    candidates=st.integers(1, 64),
    max_calls=st.integers(1, 10_000_000),
    max_usd=st.decimals(Decimal("0.01"), 1_000_000, places=2),
    usd_per_call=st.none() | st.decimals(Decimal("0.000001"), 1, places=6),
)
def test_a_budget_buys_what_it_covers_and_not_one_candidate_more(
    shape: Shape, candidates: int, max_calls: int, max_usd: Decimal, usd_per_call: Decimal | None
) -> None:
    bought = shape.affordable(candidates, max_calls=max_calls, max_usd=max_usd, usd_per_call=usd_per_call)

    def is_covered(number: int) -> bool:
        calls = shape.calls(number)
        return calls <= max_calls and (usd_per_call is None or calls * usd_per_call <= max_usd)

    assert 0 <= bought <= candidates
    assert bought == 0 or is_covered(bought)
    assert bought == candidates or not is_covered(bought + 1)


@given(shape=SHAPES, candidates=st.integers(0, 64))
def test_more_of_anything_costs_more(shape: Shape, candidates: int) -> None:
    calls = shape.calls(candidates)

    assert shape.calls(candidates + 1) > calls
    for more in ("agents", "train", "dev", "selection_votes"):
        assert shape.model_copy(update={more: getattr(shape, more) + 1}).calls(candidates) >= calls
    assert shape.held_calls >= shape.holdout_calls


async def test_a_scan_without_a_search_keeps_nothing_back_for_a_holdout_that_it_never_opens(
    owner: Person, database: Database
) -> None:
    scannable = await make_scannable(owner, database, judged=True, samples=40)

    started = await scannable.start(budget={"max_model_calls": 700})

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        budget = await get_budget(session, owner.workspace_id, started["scan_id"])
    assert (budget.held_calls, budget.held_usd) == (0, Decimal(0))


async def test_the_votes_that_a_rubric_asks_for_are_quoted(owner: Person, database: Database) -> None:
    scannable = await make_scannable(owner, database, judged=True)
    few = await owner.client.post(f"{owner.w}/scans/quote", json={"max_candidates": 1, "budget": {"max_model_calls": 9000}})
    voted = {**JUDGED, "evaluator": {"kind": "llm_judge", "votes": 7}}
    rubric = await owner.client.post(f"{owner.w}/evaluations/rubrics", json={"name": "Thorough", "dimensions": [voted]})
    many = await owner.client.post(
        f"{owner.w}/scans/quote",
        json={"max_candidates": 1, "rubric_id": rubric.json()["id"], "budget": {"max_model_calls": 9000}},
    )

    assert scannable.rubric_id != rubric.json()["id"]
    assert many.json()["quote"]["model_calls"] > few.json()["quote"]["model_calls"] * 2


async def test_a_limit_that_the_request_does_not_name_is_the_workspaces(owner: Person, database: Database) -> None:
    scannable = await make_scannable(owner, database)
    await owner.client.patch(owner.w, json={"scan_defaults": {"budget": {"max_usd": "4.50", "max_duration_s": 60}}})

    started = await scannable.start(budget={"max_duration_s": 90})

    assert started["settings"]["budget"]["max_usd"] == "4.50"
    assert started["settings"]["budget"]["max_duration_s"] == 90


async def test_a_failed_or_cancelled_scan_does_not_claim_to_be_nearly_done(
    owner: Person, database: Database, work: Drain
) -> None:
    scannable = await make_scannable(owner, database, samples=0)
    started = await scannable.start()
    await owner.client.post(f"{owner.w}/scans/{started['scan_id']}/cancel")

    progress = (await scannable.get(f"scans/{started['scan_id']}"))["progress"]

    assert (progress["done"], progress["percent"], progress["eta_s"]) == (0, 0, None)


async def test_what_the_holdout_leaves_of_its_share_serves_the_diagnosis(owner: Person, database: Database, work: Drain) -> None:
    scannable = await make_scannable(owner, database)
    wanted = {"max_candidates": 4, "strategies": ["reflective"]}
    quoted = await owner.client.post(f"{owner.w}/scans/quote", json=wanted)

    started = await scannable.start(budget={"max_model_calls": quoted.json()["quote"]["model_calls"]})
    await work()

    events = {event["type"] for event in (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]}
    assert {"holdout_compared", "diagnosed"} <= events
    assert "diagnosis_cut_short" not in events
