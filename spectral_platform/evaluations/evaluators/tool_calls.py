"""`tool_calls`: the answer called the tools that the case asks for, with the arguments that it asks for."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.json_documents import is_same, storable
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt
from spectral_platform.llm.messages import ToolCall

EVALUATOR = "tool_calls@1"
_MOST_CALLS = 500


class ExpectedCall(Value):
    """A call that is expected; without `arguments` any will do."""

    name: str = Field(min_length=1, max_length=200, description="Name of the tool.")
    arguments: Annotated[dict[str, Any] | None, AfterValidator(storable)] = Field(
        default=None, description="Its arguments; absent = any."
    )


class ToolCalls(Value):
    """Parameters of `tool_calls`."""

    kind: Literal["tool_calls"] = "tool_calls"
    expected: tuple[ExpectedCall, ...] = Field(max_length=100, description="The calls; none with `exact` forbids any call.")
    match: Literal["exact", "subset", "any_order"] = Field(
        default="exact",
        description=(
            "`exact`: these calls in this order and no others; `any_order`: these and no others; `subset`: these among others, "
            "where an expected argument must be equal and others may be added."
        ),
    )
    max_calls: int | None = Field(default=None, ge=0, le=1_000_000, description="At most so many calls, whichever they are.")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.match == "subset" and not self.expected and self.max_calls is None:
            raise ValueError("a subset without expected calls or max_calls is always there")
        if self.max_calls is not None and self.max_calls < len(self.expected):
            raise ValueError("max_calls allows fewer calls than are expected")
        return self

    def evaluate(self, subject: Subject) -> Evaluation:
        """Score the share of calls that are as they should be; NA where nobody knows which tools were called.

        The share is that of the expected calls, and for `exact` and `any_order` of all calls if these are more. The evidence are
        calls that nothing expected, as JSON.
        """
        if subject.tool_calls is None:
            return Evaluation.not_applicable(EVALUATOR, "It is not known which tools were called.")
        made, expected = subject.tool_calls[:_MOST_CALLS], self.expected
        fits = [[_fits(call, wanted, self.match) for call in made] for wanted in expected]
        pairs = _aligned(fits, len(made)) if self.match == "exact" else _assigned(fits)
        missing = [wanted for index, wanted in enumerate(expected) if index not in pairs]
        surplus = [call for index, call in enumerate(made) if index not in pairs.values()]
        counted = len(expected) if self.match == "subset" else max(len(expected), len(subject.tool_calls))
        score = len(pairs) / counted if counted else 1.0
        demands = []
        if missing:
            demands.append(f"call {' and '.join(_told(wanted) for wanted in missing[:5])}")
        if surplus and self.match != "subset":
            names = dict.fromkeys(excerpt(call.name, 60) for call in surplus[:5])
            again = " like that" if {call.name for call in surplus} & {wanted.name for wanted in expected} else ""
            demands.append(f"not call {' or '.join(names)}{again}")
        if self.max_calls is not None and len(subject.tool_calls) > self.max_calls:
            demands.append(f"make at most {self.max_calls} tool calls instead of {len(subject.tool_calls)}")
            score *= self.max_calls / len(subject.tool_calls)
        if not demands:
            return Evaluation.success(EVALUATOR, score=score)
        order = " in this order" if self.match == "exact" and len(expected) > 1 and missing else ""
        evidence = tuple(call.written()[:500] for call in surplus[:5]) if self.match != "subset" else ()
        return Evaluation.failure(EVALUATOR, f"The answer must {' and '.join(demands)}{order}.", score=score, evidence=evidence)


def _fits(call: ToolCall, wanted: ExpectedCall, match: str) -> bool:
    if call.name != wanted.name:
        return False
    if wanted.arguments is None:
        return True
    if not isinstance(call.arguments, dict):
        return False
    if match != "subset":
        return is_same(call.arguments, wanted.arguments)
    return all(name in call.arguments and is_same(call.arguments[name], value) for name, value in wanted.arguments.items())


def _assigned(fits: list[list[bool]]) -> dict[int, int]:
    """Give each expected call a call of its own so that as many as possible have one: Kuhn's augmenting paths."""
    taken: dict[int, int] = {}

    def settle(wanted: int, tried: set[int]) -> bool:
        for call, fitting in enumerate(fits[wanted]):
            if fitting and call not in tried:
                tried.add(call)
                if call not in taken or settle(taken[call], tried):
                    taken[call] = wanted
                    return True
        return False

    for wanted in range(len(fits)):
        settle(wanted, set())
    return {wanted: call for call, wanted in taken.items()}


def _aligned(fits: list[list[bool]], made: int) -> dict[int, int]:
    """Pair expected and made calls in order so that as many as possible are paired: a longest common subsequence."""
    longest = [[0] * (made + 1) for _ in range(len(fits) + 1)]
    for row in range(len(fits) - 1, -1, -1):
        for column in range(made - 1, -1, -1):
            skipped = max(longest[row + 1][column], longest[row][column + 1])
            longest[row][column] = max(skipped, longest[row + 1][column + 1] + fits[row][column])
    pairs: dict[int, int] = {}
    row = column = 0
    while row < len(fits) and column < made:
        if fits[row][column] and longest[row][column] == longest[row + 1][column + 1] + 1:
            pairs[row] = column
            row, column = row + 1, column + 1
        elif longest[row + 1][column] >= longest[row][column + 1]:
            row += 1
        else:
            column += 1
    return pairs


def _told(wanted: ExpectedCall) -> str:
    if wanted.arguments is None:
        return excerpt(wanted.name, 60)
    return excerpt(ToolCall(name=wanted.name, arguments=wanted.arguments).written(), 200)
