"""What the workspace's autonomy asks of a verdict, and what it lets through."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.autonomy.bounds import read_proof, reasons_against
from spectral_platform.changesets.states import Risk
from spectral_platform.core.database import Database
from spectral_platform.scans.outlook import look_ahead
from spectral_platform.scans.verdicts.bounding import Strictness, only_look, plan_strictness
from spectral_platform.scans.verdicts.evidence import evidence_level
from spectral_platform.scans.verdicts.gating import conclude
from spectral_platform.scans.verdicts.lengths import length_covariate
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyBounds, AutonomyMode
from tests.agents.factories import config
from tests.fixtures.callers import Person
from tests.scans.test_regressions import STANDARD, pairs
from tests.scans.workspaces import make_scannable

SEALED = re.compile(r"a verdict asks for (\d+)")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
TOOL = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}
WITH_TOOL = {"base_prompt": "Help.", "tools": [TOOL]}


async def test_a_scan_is_held_to_the_rigor_of_the_mode_that_it_is_asked_for_in(database: Database, owner: Person) -> None:
    await make_scannable(owner, database, samples=100)  # 38 of which are sealed
    asked = {}
    for mode in AutonomyMode:
        await owner.client.put(f"{owner.w}/autonomy", json={"mode": mode})
        quoted = (await owner.client.post(f"{owner.w}/scans/quote", json={"budget": {"max_model_calls": 9000}})).json()
        asked[mode.value] = [int(pairs) for warning in quoted["warnings"] for pairs in SEALED.findall(warning)]

    assert asked == {"observe_only": [], "recommend": [], "manual": [60], "bounded_auto": [120]}


@pytest.mark.parametrize("mode", list(AutonomyMode))
def test_every_look_is_at_the_level_and_asks_for_the_pairs_of_the_mode(mode: AutonomyMode) -> None:
    looks = plan_strictness(200, RIGOR[mode])

    assert {look.minimum_pairs for look in looks} == {RIGOR[mode].minimum_pairs}
    assert all(look.alpha < RIGOR[mode].alpha for look in looks)


def test_a_verdict_that_is_as_strong_as_can_be_keeps_every_bound_and_one_for_people_does_not() -> None:
    told = {}
    for mode in (AutonomyMode.MANUAL, AutonomyMode.BOUNDED_AUTO):
        rigor = RIGOR[mode]
        conclusion = conclude(pairs([0.3] * 130), STANDARD, strictness=plan_strictness(130, rigor)[-1])
        verdict: dict[str, JsonValue] = {
            "effect": conclusion.effect.model_dump(),
            "evidence_level": "L3",
            "statistics": {**conclusion.statistics, "rigor": rigor.model_dump()},
        }
        bounds = AutonomyBounds(min_confidence=0.999)
        told[mode] = reasons_against(read_proof(verdict), bounds, risk=Risk.LOW, agent_ids=(), applied_today=0)

    assert told[AutonomyMode.BOUNDED_AUTO] == ()
    assert len(told[AutonomyMode.MANUAL]) == 1
    assert "level 0.01" in told[AutonomyMode.MANUAL][0]


def test_confidence_counts_every_look_and_is_none_without_pairs() -> None:
    gains = [0.3, 0.1, 0.2, -0.1] * 15
    strict, usual = plan_strictness(60)[-1], only_look(60)

    def confidence(changes: list[float], strictness: Strictness) -> float:
        found = conclude(pairs(changes), STANDARD, strictness=strictness).statistics["confidence"]
        assert isinstance(found, float)
        return found

    alone, thrice = confidence(gains, usual), confidence(gains, strict)

    assert 1 - thrice == pytest.approx(3 * (1 - alone))
    assert alone > 0.99
    assert confidence([-gain for gain in gains], usual) < 0.01
    assert confidence([], only_look(0)) == 0.0


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "L3"),
        ({"template": WITH_TOOL}, "L1"),
        (
            {"template": WITH_TOOL, "execution": {"kind": "http", "url": "https://a.example"}},
            "L3",
        ),
    ],
)
def test_an_agent_whose_tools_nobody_calls_is_not_run_whole(changes: dict[str, Any], level: str) -> None:
    plain = AgentConfig.model_validate(config())

    assert evidence_level(plain, AgentConfig.model_validate(config() | changes)) == level


def test_a_gain_that_is_all_length_is_told_from_one_that_is_not() -> None:
    lengths = [(100.0, 100.0 + 50 * (position % 5)) for position in range(40)]
    longer = [(after - before) / 1_000 for before, after in lengths]

    bought = length_covariate(longer, lengths)
    earned = length_covariate([0.2 + 0.01 * (position % 3) for position in range(40)], lengths)

    assert bought is not None
    assert earned is not None
    assert bought.correlation == pytest.approx(1)
    assert bought.effect_at_equal_length == pytest.approx(0)
    assert bought.slope_per_100_characters == pytest.approx(0.1)
    assert earned.effect_at_equal_length == pytest.approx(0.21, abs=0.01)


@pytest.mark.parametrize(
    ("differences", "lengths"), [([0.1], [(1.0, 2.0)]), ([0.1, 0.2], [(1.0, 2.0)] * 2), ([0.1, 0.1], [(1.0, 2.0), (1.0, 3.0)])]
)
def test_without_variation_lengths_say_nothing(differences: list[float], lengths: list[tuple[float, float]]) -> None:
    covariate = length_covariate(differences, lengths)

    assert covariate is not None
    assert (covariate.correlation, covariate.effect_at_equal_length) == (None, None)
    assert length_covariate([], []) is None


@pytest.mark.parametrize(
    ("comparisons", "age", "a_year", "manual", "auto"),
    [(0, None, 0, 0, 0), (12, 84, 52.1, 1.304, 0.521), (7, 1, 365, 9.125, 3.65), (90, 400, 365, 9.125, 3.65)],
)
def test_the_outlook_is_the_level_times_the_comparisons_of_a_year(
    comparisons: int, age: int | None, a_year: float, manual: float, auto: float
) -> None:
    since = None if age is None else NOW - timedelta(days=age)

    outlook = look_ahead(AutonomyMode.MANUAL, comparisons=comparisons, since=since, now=NOW)
    expected = {each.mode: each.expected_false_accepts_per_year for each in outlook.modes}

    assert outlook.comparisons_per_year == a_year
    assert (expected[AutonomyMode.MANUAL], expected[AutonomyMode.BOUNDED_AUTO]) == (manual, auto)


async def test_the_outlook_is_shown_where_autonomy_is_set(owner: Person) -> None:
    await owner.client.put(f"{owner.w}/autonomy", json={"mode": "recommend"})

    outlook = (await owner.client.get(f"{owner.w}/autonomy/outlook")).json()

    assert (outlook["mode"], outlook["comparisons"]) == ("recommend", 0)
    assert [each["mode"] for each in outlook["modes"]] == ["observe_only", "recommend", "manual", "bounded_auto"]
