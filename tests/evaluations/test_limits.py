"""Hard limits: constraints and minimums are one thing."""

import pytest

from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.contains import Contains
from spectral_platform.evaluations.limits import check_limits, hard_limits
from spectral_platform.evaluations.terms import Constraint

POLITE = Dimension(key="polite", name="Polite", description="Be polite.", weight=1, evaluator=Contains(value="x"), minimum=0.8)
SHORT = POLITE.model_copy(update={"key": "short", "minimum": None})
CHEAP = Constraint(metric="cost_usd", operator="<=", value=0.01)


def test_a_minimum_is_a_constraint_on_its_dimension() -> None:
    limits = hard_limits([POLITE, SHORT], [CHEAP])

    assert [limit.name for limit in limits] == ["constraint:cost_usd", "minimum:polite"]
    assert limits[1].constraint == Constraint(metric="dimension:polite", operator=">=", value=0.8)


@pytest.mark.parametrize(
    ("before", "after", "is_kept", "is_broken", "is_harm"),
    [
        (0.9, 0.8, True, False, False),
        (0.5, 0.8, True, False, False),
        (0.9, 0.7, False, True, True),
        (0.5, 0.7, False, True, False),
        (0.5, 0.5, False, True, True),
        (0.5, 0.4, False, True, True),
        (None, 0.7, False, True, True),
        (0.9, None, False, False, False),
        (None, None, False, False, False),
    ],
)
def test_a_limit_is_kept_broken_or_unknown_and_harm_is_to_come_no_nearer(
    before: float | None, after: float | None, is_kept: bool, is_broken: bool, is_harm: bool
) -> None:
    def figures(value: float | None) -> dict[str, float]:
        return {} if value is None else {"dimension:polite": value}

    (check,) = check_limits(hard_limits([POLITE], []), before=figures(before), after=figures(after))

    assert (check.is_kept, check.is_broken, check.is_harm) == (is_kept, is_broken, is_harm)
    assert check.sentence.startswith("Mean dimension:polite must be >= 0.8; it is ")
