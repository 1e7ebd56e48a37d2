"""`max_cost`: the answer costs no more than a limit in US dollars."""

from typing import Literal

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject

EVALUATOR = "max_cost@1"


class MaxCost(Value):
    """Parameters of `max_cost`."""

    kind: Literal["max_cost"] = "max_cost"
    value: float = Field(gt=0, allow_inf_nan=False, description="Limit in US dollars.")

    def evaluate(self, subject: Subject) -> Evaluation:
        """Compare the known cost; beyond the limit the score falls as limit / cost. An unknown price is NA, never 0."""
        if subject.cost_usd is None:
            return Evaluation.not_applicable(EVALUATOR, "The cost is unknown: the model has no price.")
        if subject.cost_usd <= self.value:
            return Evaluation.success(EVALUATOR)
        feedback = (
            f"The answer must be cheaper, such as by being shorter: it cost {subject.cost_usd:.6g} USD "
            f"and {self.value:g} USD are allowed."
        )
        return Evaluation.failure(EVALUATOR, feedback, score=self.value / subject.cost_usd)
