"""Quotes: what a budget buys, and that a scan takes no more than it was quoted."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral_platform.core.database import Database
from spectral_platform.demo import content
from spectral_platform.evaluations.terms import Constraint, Statistic
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.queries import get_budget
from spectral_platform.scans.quoting import HELD_SHARE, CallPrices, Quote, Readiness, Shape, proposals_for, show
from spectral_platform.scans.reckoning import reckon
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.factories import make_settings
from tests.scans.workspaces import JUDGED, make_scannable

SIZES = st.integers(0, 3_000)
SHAPES = st.builds(
    Shape,
    agents=st.integers(1, 20),
    train=st.integers(1, 3_000),
    dev=SIZES,
    holdout=SIZES,
    holdout_groups=SIZES,
    selection_votes=st.integers(0, 20),
    writes=st.booleans(),
    arms=st.integers(0, 30),
    has_labels=st.booleans(),
    verdict_votes=st.integers(0, 60),
    has_proposer=st.booleans(),
)


@given(
    shape=SHAPES,
    candidates=st.integers(1, 64),
    max_calls=st.integers(1, 10_000_000),
    max_usd=st.decimals(Decimal("0.01"), 1_000_000, places=2),
    usd=st.none() | st.decimals(Decimal("0.000001"), 1, places=6),
)
def test_a_budget_buys_what_it_covers_and_not_one_candidate_more(
    shape: Shape, candidates: int, max_calls: int, max_usd: Decimal, usd: Decimal | None
) -> None:
    prices = CallPrices(agent=usd, judge=usd, comparing=usd, proposer=usd)
    bought = shape.affordable(candidates, max_calls=max_calls, max_usd=max_usd, prices=prices)

    def is_covered(number: int) -> bool:
        calls = shape.all_calls(number).total - shape.diagnosing.total
        searching = calls - shape.holdout_calls.total
        fits = usd is None or (calls * usd <= max_usd and searching * usd <= max_usd * (1 - HELD_SHARE))
        return calls + shape.slack <= max_calls and fits

    assert 0 <= bought <= candidates
    assert bought == 0 or is_covered(bought)
    assert bought == candidates or not is_covered(bought + 1)


@given(shape=SHAPES, candidates=st.integers(0, 64))
def test_more_of_anything_costs_more(shape: Shape, candidates: int) -> None:
    calls = shape.all_calls(candidates).total

    assert shape.all_calls(candidates + 1).total > calls
    for more in ("agents", "train", "dev", "selection_votes"):
        assert shape.model_copy(update={more: getattr(shape, more) + 1}).all_calls(candidates).total >= calls
    assert shape.held_calls >= shape.holdout_calls.total


async def test_a_scan_without_a_search_keeps_nothing_back_for_a_holdout_that_it_never_opens(
    owner: Person, database: Database
) -> None:
    scannable = await make_scannable(owner, database, judged=True, samples=40)

    started = await scannable.start(budget={"max_model_calls": 700})

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        budget = await get_budget(session, owner.workspace_id, started["scan_id"])
    assert (budget.held_calls, budget.held_usd) == (0, Decimal(0))


def test_a_search_has_a_quoted_parent_run_for_each_proposal_and_each_search_rounds_up_by_itself() -> None:
    shape = Shape(
        agents=2, train=40, dev=20, holdout=40, holdout_groups=40, selection_votes=0, verdict_votes=0, has_proposer=True
    )
    by_gepa = shape.model_copy(update={"has_gepa": True})

    one_each = shape.generating(2)

    assert one_each.proposer == 2 * proposals_for(1)
    assert by_gepa.generating(4).agent >= shape.generating(4).agent + 2 * proposals_for(4)


def test_money_is_kept_back_for_the_holdout_where_not_every_price_is_known() -> None:
    shape = Shape(
        agents=1, train=80, dev=40, holdout=80, holdout_groups=80, selection_votes=1, verdict_votes=3, has_proposer=False
    )
    settings = make_settings().model_copy(update={"models": {Purpose.SCORING: "unheard-of/judge"}})

    plan = reckon(
        settings, shape, [], [content.agent_config()], None, lambda model, *_: None if "judge" in model else Decimal("0.0001")
    )

    assert plan.readiness.quote.max_usd is None
    assert plan.held_usd == settings.budget.max_usd * HELD_SHARE


@pytest.mark.parametrize(("cases", "warns"), [(74, True), (75, False)])
def test_a_limit_on_a_percentile_says_before_the_scan_that_the_cases_are_too_few(cases: int, *, warns: bool) -> None:
    shape = Shape(
        agents=1, train=80, dev=40, holdout=cases, holdout_groups=cases, selection_votes=0, verdict_votes=0, has_proposer=False
    )
    slow = Constraint(metric="latency_ms", operator="<=", value=4_000, statistic=Statistic.P95)
    settings = make_settings().model_copy(update={"constraints": (slow,)})

    plan = reckon(settings, shape, [], [content.agent_config()], None, lambda *_: Decimal("0.0001"))

    words = "A limit on a 95th percentile can be shown from 75 different holdout cases on; there are 74."
    assert (words in plan.readiness.warnings) is warns


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


@pytest.mark.parametrize(
    "wanted",
    [
        {"max_candidates": 4, "strategies": ["reflective"]},
        {"max_candidates": 4, "strategies": ["arms", "few_shot", "rules"]},
        {"max_candidates": 4, "strategies": ["gepa", "reflective"]},
    ],
    ids=["reflective", "everything else", "gepa"],
)
async def test_a_scan_takes_what_it_was_quoted_and_never_more(
    owner: Person, database: Database, work: Drain, wanted: dict[str, Any]
) -> None:
    scannable = await make_scannable(owner, database, judged=True)
    started = await scannable.start(**wanted, budget={"max_model_calls": 20_000, "max_usd": 50})
    quote = started["readiness"]["quote"]

    await work()

    cost = await scannable.get(f"scans/{started['scan_id']}/cost")
    taken = {entry["phase"]: entry["calls"] for entry in cost["by_phase"]}
    assert quote["max_candidates"] == 4
    assert taken["observe"] == quote["by_phase"]["observe"]
    assert all(taken[phase] <= calls for phase, calls in quote["by_phase"].items())
    assert 0.4 * quote["model_calls"] <= sum(taken.values()) <= quote["model_calls"] == sum(quote["by_phase"].values())
    assert 0.3 * float(quote["max_usd"]) <= float(cost["total_usd"]) <= 1.2 * float(quote["max_usd"])


@pytest.mark.parametrize(
    ("cases", "candidates", "words"),
    [
        (94, 8, "The budget buys about 8 candidates, and 94 sealed cases show an effect of 17 points or more; "),
        (12, 1, "The budget buys about 1 candidate, and 12 sealed cases show an effect of "),
        (0, 0, "Nothing is searched, and 0 sealed cases show no effect at all; "),
    ],
)
def test_readiness_says_in_words_what_the_budget_buys_and_what_more_samples_would_show(
    cases: int, candidates: int, words: str
) -> None:
    quote = Quote(max_candidates=candidates, max_usd=None, model_calls=1)
    bare = Readiness(
        mode="full",
        curation_samples_count=1,
        evalset_available=True,
        minimum_detectable_effect=None,
        noise=None,
        quote=quote,
        warnings=(),
    )

    shown = show(bare, cases, 0.54)

    assert shown.statement.startswith(words)
    assert shown.with_more_samples is not None
    assert shown.with_more_samples.minimum_detectable_effect < (shown.minimum_detectable_effect or 1)
    assert f"about {shown.with_more_samples.samples} more samples would show" in shown.statement
