"""What an evaluator looks at and what it answers."""

from typing import Any

from pydantic import Field

from spectral_platform.core.values import Value


class Subject(Value):
    """One answer of an agent with what is known of its case; evaluators read nothing else."""

    input: str
    output: str
    expected_output: str | None = None
    context: str | None = None
    system_prompt: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    latency_ms: int | None = None
    cost_usd: float | None = None
    total_tokens: int | None = None


class Evaluation(Value):
    """What one evaluator found. ``score`` in [0, 1], or None where the evaluator does not apply (NA).

    ``feedback`` says in one sentence what is wrong and is never empty when ``passed`` is False: it is what a proposer
    learns from. ``evidence`` are verbatim pieces of the output. ``evaluator`` is ``kind@version``.
    """

    score: float | None = Field(ge=0, le=1)
    passed: bool | None
    feedback: str = ""
    evidence: tuple[str, ...] = ()
    evaluator: str
