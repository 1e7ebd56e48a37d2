"""Hard limits: the objective's constraints and the rubric's minimums, held against an arm's figures in one way."""

from collections.abc import Iterable, Mapping

from spectral_platform.core.values import Value
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.terms import DIMENSION_PREFIX, Constraint, Statistic


class Limit(Value):
    """A constraint with the name under which gates and reasons show it."""

    name: str
    constraint: Constraint


class LimitCheck(Value):
    """What a limit says of the figures before and after a change; None is a metric that nobody could measure."""

    limit: Limit
    before: float | None
    after: float | None

    @property
    def is_kept(self) -> bool:
        """Whether the changed arm keeps to it. What was not measured is not shown to keep to anything."""
        return self.after is not None and self.limit.constraint.holds(self.after)

    @property
    def is_broken(self) -> bool:
        """Whether the changed arm is known to break it."""
        return self.after is not None and not self.is_kept

    @property
    def is_harm(self) -> bool:
        """Whether the change broke it, or found it broken and came no nearer to it."""
        if self.after is None or self.is_kept:
            return False
        constraint = self.limit.constraint
        if self.before is None or constraint.holds(self.before):
            return True
        return abs(self.after - constraint.value) >= abs(self.before - constraint.value)

    @property
    def sentence(self) -> str:
        """The check in words."""
        constraint = self.limit.constraint
        found = "unknown" if self.after is None else f"{self.after:.4g}"
        what = f"Mean {constraint.metric}" if constraint.statistic is Statistic.MEAN else f"The p95 of {constraint.metric}"
        return f"{what} must be {constraint.operator} {constraint.value:g}; it is {found}."


def hard_limits(dimensions: Iterable[Dimension], constraints: Iterable[Constraint]) -> tuple[Limit, ...]:
    """Every limit that a candidate must keep to, whatever it gains: a minimum is a constraint on its dimension's mean."""
    minimums = (
        (dimension.key, Constraint(metric=DIMENSION_PREFIX + dimension.key, operator=">=", value=dimension.minimum))
        for dimension in dimensions
        if dimension.minimum is not None
    )
    return (
        *(Limit(name=f"constraint:{constraint.figure}", constraint=constraint) for constraint in constraints),
        *(Limit(name=f"minimum:{key}", constraint=minimum) for key, minimum in minimums),
    )


def check_limits(limits: Iterable[Limit], *, before: Mapping[str, float], after: Mapping[str, float]) -> tuple[LimitCheck, ...]:
    """Hold each limit against its figure in both arms."""
    return tuple(
        LimitCheck(limit=limit, before=before.get(limit.constraint.figure), after=after.get(limit.constraint.figure))
        for limit in limits
    )
