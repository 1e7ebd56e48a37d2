"""`max_latency`: the answer comes within a limit of milliseconds."""

from typing import Literal

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject

EVALUATOR = "max_latency@1"


class MaxLatency(Value):
    """Parameters of `max_latency`."""

    kind: Literal["max_latency"] = "max_latency"
    value: float = Field(gt=0, allow_inf_nan=False, description="Limit in milliseconds.")

    def evaluate(self, subject: Subject) -> Evaluation:
        """Compare the measured latency; beyond the limit the score falls as limit / latency."""
        if subject.latency_ms is None:
            return Evaluation.not_applicable(EVALUATOR, "The latency is unknown.")
        if subject.latency_ms <= self.value:
            return Evaluation.success(EVALUATOR)
        feedback = (
            f"The answer must be quicker, such as by being shorter: it took {subject.latency_ms} ms "
            f"and {self.value:g} ms are allowed."
        )
        return Evaluation.failure(EVALUATOR, feedback, score=self.value / subject.latency_ms)
