"""What a change leaves open: it hides no harm and shows none, in any figure that decides."""

from dataclasses import replace

import pytest

from spectral_platform.evaluations.scoring import Measures, References
from spectral_platform.evaluations.terms import Constraint
from spectral_platform.scans.changes import MUST_PASS
from spectral_platform.scans.pairing import pair
from spectral_platform.scans.trials import Trial, TrialStatus
from spectral_platform.scans.verdicts.gating import conclude
from tests.scans.test_evading import CHEAP, silent
from tests.scans.test_pairing import DIMENSION, STANDARD, trial


def test_a_case_that_the_change_leaves_open_is_not_one_whose_critical_failures_it_mended() -> None:
    """Else it could hide six that it breaks anew behind six of which nothing is known."""
    keys = [f"s{number}" for number in range(120)]
    broken = {"baseline": keys[:6], "candidate": keys[6:12]}
    arms = {
        name: [trial(key, 1.0, a=0.0 if key in breaks else 1.0, critical=key in keys[:12]) for key in keys]
        for name, breaks in broken.items()
    }
    arms["candidate"][:6] = [trial(key, 0.0, status=TrialStatus.UNSCORED) for key in keys[:6]]

    pairs = pair(arms["baseline"], arms["candidate"], STANDARD, References())
    critical = next(gate for gate in conclude(pairs, STANDARD).gates if gate.name == "critical_failures")

    assert (pairs.critical_worsened, pairs.critical_mended, pairs.at_best.critical_mended) == (6, 0, 6)
    assert (critical.passed, critical.harm) == (False, False)


def test_an_agent_that_gives_nothing_mends_no_critical_failure() -> None:
    baseline = [trial(f"s{number}", 1.0, a=0.0, critical=True) for number in range(6)]
    candidate = [trial(f"s{number}", 0.0, a=0.0, status=TrialStatus.AGENT_ERROR) for number in range(6)]

    pairs = pair(baseline, candidate, STANDARD, References())

    assert (pairs.critical_mended, pairs.at_best.critical_mended) == (0, 0)


def test_what_the_baseline_was_not_scored_on_is_not_known_to_be_broken_by_the_change() -> None:
    baseline = [trial("s1", 0.0, status=TrialStatus.UNSCORED, tags=(MUST_PASS,))]
    candidate = [trial("s1", 0.0, a=0.0, critical=True, tags=(MUST_PASS,))]
    nothing = [replace(found, rules=(), dimensions=()) for found in baseline]

    pairs = pair(nothing, candidate, STANDARD, References())

    assert (pairs.critical_worsened, pairs.at_best.critical_worsened) == (1, 0)
    assert (pairs.must_pass_lost, pairs.must_pass_unknown) == (0, 1)


OTHER = DIMENSION.model_copy(update={"key": "other"})
TWO = replace(STANDARD, dimensions=(DIMENSION, OTHER))


def twice(key: str, says: float | None, other: float | None) -> Trial:
    """An answer that is held to two dimensions, of which None does not apply."""
    found = trial(key, 0.0, tags=("vip",))
    (nothing,) = silent(found).dimensions
    scored = tuple(
        replace(nothing if score is None else trial(key, score).dimensions[0], key=name)
        for name, score in (("says", says), ("other", other))
    )
    return replace(found, dimensions=scored)


@pytest.mark.parametrize(
    ("after", "severe_at_worst", "severe_at_best"),
    [((0.0, None), 1, 0), ((None, None), 1, 0), ((1.0, None), 0, 0), ((0, 0), 1, 1)],
)
def test_a_dimension_that_is_evaded_hides_no_severe_loss_and_shows_none(
    after: tuple[float | None, float | None], severe_at_worst: int, severe_at_best: int
) -> None:
    pairs = pair([twice("s1", 1.0, 1.0)], [twice("s1", *after)], TWO, References())

    assert (pairs.severe, pairs.at_best.severe) == (severe_at_worst, severe_at_best)
    assert (pairs.slices["vip"][0] <= -0.5, pairs.at_best.slices["vip"][0] <= -0.5) == (severe_at_worst, severe_at_best)


def test_no_upper_bound_lies_below_the_lower_one_where_an_amount_is_unknown_of_the_change() -> None:
    """Were it as cheap as can be, it would gain less by that than by its answers, which are all that is known of both arms."""
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.0, a=0.0) for key in keys]
    candidate = [replace(trial(key, 1.0), measures=Measures(latency_ms=10)) for key in keys]

    effect = conclude(pair(baseline, candidate, CHEAP, References(cost_usd=0.002)), CHEAP).effect

    assert effect.lower_bound <= effect.estimate <= effect.upper_bound


def test_a_limit_on_quality_is_neither_kept_nor_broken_by_what_a_change_evades() -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric="quality", operator=">=", value=0.8),))
    keys = [f"s{number}" for number in range(80)]
    evasive = [replace(silent(trial(key, 0.0)), rules=trial(key, 1.0).rules) for key in keys[:40]]

    pairs = pair([trial(key, 0.4) for key in keys], [*evasive, *(trial(key, 1.0) for key in keys[40:])], limited, References())
    kept = next(gate for gate in conclude(pairs, limited).gates if gate.name == "constraint:quality")

    assert (kept.passed, kept.harm, kept.value) == (False, False, 0.75)


def test_a_least_amount_is_not_kept_by_telling_only_the_amounts_that_keep_it() -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric="total_tokens", operator=">=", value=8),))
    keys = [f"s{number}" for number in range(80)]
    untold = [replace(trial(key, 1.0), measures=Measures(latency_ms=10)) for key in keys[:40]]

    pairs = pair([trial(key, 0.4) for key in keys], [*untold, *(trial(key, 1.0) for key in keys[40:])], limited, References())
    kept = next(gate for gate in conclude(pairs, limited).gates if gate.name == "constraint:total_tokens")

    assert (kept.passed, kept.harm, kept.value) == (False, False, 5)
