"""What each kind of evaluator finds in answers of every sort, as tables."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Row:
    """An answer and what is found in it: it passes, fails with no score or a share of it, or the kind does not apply."""

    output: str
    finding: Literal["pass", "fail", "na"] | float
    parameters: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """A name for the case."""
        return f"{self.output[:20]!a}-{str(self.parameters)[:30]!a}-{self.finding}"


def expecting(expected_output: str, output: str, finding: Literal["pass", "fail", "na"] | float, **parameters: Any) -> Row:
    """An answer where the case has an expected output."""
    return Row(output, finding, parameters, {"expected_output": expected_output})
