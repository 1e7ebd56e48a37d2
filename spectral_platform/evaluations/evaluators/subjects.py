"""What an evaluator looks at and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from spectral_platform.llm.messages import ToolCall
from spectral_platform.llm.watermark import unmarked


@dataclass(frozen=True, slots=True)
class Subject:
    """One answer of an agent with what is known of its case; evaluators read nothing else.

    The output is without the simulator's watermark: a mark of origin is no part of what was said. ``tool_calls`` are those
    that the answer asked for or that were made for it, in order; None where nobody knows. ``similarity`` is the cosine of the
    embeddings of output and expected output, at least 0; None where nobody embedded them.
    """

    input: str
    output: str
    expected_output: str | None = None
    context: str | None = None
    system_prompt: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    latency_ms: int | None = None
    cost_usd: float | None = None
    total_tokens: int | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    similarity: float | None = None

    def __post_init__(self) -> None:
        """Take the watermark out."""
        object.__setattr__(self, "output", unmarked(self.output))


_MOST_PIECES = 20
_LONGEST_PIECE = 1_000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluator found. ``score`` in [0, 1], or None where the evaluator does not apply (NA).

    ``feedback`` says in one sentence what the answer must do and is never empty when ``passed`` is False: it is what a
    proposer learns from. Where the evaluator does not apply it says why. ``evidence`` are verbatim pieces of the
    output, or of the tool calls written as JSON, at most 20 of 1 000 characters. ``evaluator`` is ``kind@version``.
    """

    evaluator: str
    score: float | None
    passed: bool | None
    feedback: str = ""
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, and shorten the evidence."""
        if self.score is not None and not 0 <= self.score <= 1:
            raise ValueError(f"a score is from 0 to 1, not {self.score}")
        if (self.score is None) != (self.passed is None):
            raise ValueError("score and passed are both given, or both absent where the evaluator does not apply")
        if self.passed is False and not self.feedback:
            raise ValueError("a failed evaluation says what the answer must do")
        if self.evidence:
            object.__setattr__(self, "evidence", tuple(piece[:_LONGEST_PIECE] for piece in self.evidence[:_MOST_PIECES]))

    @classmethod
    def success(cls, evaluator: str, *, score: float = 1.0, evidence: tuple[str, ...] = ()) -> "Evaluation":
        """The answer is as it should be."""
        if score == 1 and not evidence:
            return _plain_success(evaluator)
        return cls(score=score, passed=True, evidence=evidence, evaluator=evaluator)

    @classmethod
    def failure(cls, evaluator: str, feedback: str, *, score: float = 0.0, evidence: tuple[str, ...] = ()) -> Self:
        """The answer lacks what ``feedback`` says."""
        return cls(score=score, passed=False, feedback=feedback, evidence=evidence, evaluator=evaluator)

    @classmethod
    def not_applicable(cls, evaluator: str, reason: str) -> Self:
        """The evaluator has nothing to compare with; the score renormalises over the others."""
        return cls(score=None, passed=None, feedback=reason, evaluator=evaluator)


@lru_cache(maxsize=64)  # most of what is found, and all alike
def _plain_success(evaluator: str) -> Evaluation:
    return Evaluation(score=1.0, passed=True, evaluator=evaluator)


def excerpt(text: str, limit: int = 200) -> str:
    """Quote the text on one line, shortened to ``limit`` characters, for a sentence of feedback."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= limit else f'"{line[: limit - 1]}…"'
