"""One run of an agent: its answer, or all its turns where recordings answer what it asks of its tools.

A run ends with an answer that calls no tool, with a call that nothing answers, or at a bound. Nothing is ever called:
what a model asks of a tool is looked up, whatever it says.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from spectral_platform.evaluations.trajectories.recordings import Playback
from spectral_platform.llm.calling import CallLabel, ModelCaller, PaidAnswer
from spectral_platform.llm.messages import Message, ModelRequest, Role, ToolCall
from spectral_platform.llm.watermark import unmarked

MOST_TURNS = 20
MOST_CALLS = 100
LONGEST_CHAT_BYTES = 500_000


class OutOfTime(Exception):
    """The scan's time budget is spent."""


@dataclass(frozen=True)
class Conversation:
    """What came of a run: every turn as it was paid for, and every tool that was called.

    ``unanswered`` is the call at which it had to stop, because no recording answers it; ``problem`` says which bound it met.
    """

    turns: tuple[PaidAnswer, ...]
    calls: tuple[ToolCall, ...]
    unanswered: ToolCall | None = None
    problem: str | None = None

    @property
    def output(self) -> str:
        """The answer, or the calls that stand in its place."""
        last = self.turns[-1].answer
        return unmarked(last.text) or "\n".join(call.written() for call in last.tool_calls)


async def converse(
    caller: ModelCaller, request: ModelRequest, label: CallLabel, *, playback: Playback | None, deadline: float
) -> Conversation:
    """Run the agent to its answer; without a ``playback`` its first answer is all of it. Raises what ``ModelCaller.ask`` does.

    Its answers are about to be stored, as ``ModelCaller.ask`` says.

    Raises ``OutOfTime`` where the deadline passes between two turns.
    """
    turns: list[PaidAnswer] = []
    calls: list[ToolCall] = []
    while True:
        paid = await caller.ask(request, label)
        turns.append(paid)
        asked = tuple(
            call.model_copy(update={"id": f"call{number:05d}"}) for number, call in enumerate(paid.answer.tool_calls, len(calls))
        )
        calls += asked
        if playback is None or not asked:
            return Conversation(tuple(turns), tuple(calls))
        replies = [playback.answer(call) for call in asked]
        if None in replies:
            return Conversation(tuple(turns), tuple(calls), unanswered=asked[replies.index(None)])
        request = _continued(request, paid, asked, [reply.result for reply in replies if reply is not None])
        if problem := _bound(turns, calls, request):
            return Conversation(tuple(turns), tuple(calls), problem=problem)
        if time.monotonic() > deadline:
            raise OutOfTime


def _continued(request: ModelRequest, paid: PaidAnswer, asked: Sequence[ToolCall], results: Sequence[str]) -> ModelRequest:
    said = Message(role=Role.ASSISTANT, content=unmarked(paid.answer.text), tool_calls=tuple(asked))
    answered = (Message(role=Role.TOOL, content=result, tool_calls=(call,)) for call, result in zip(asked, results, strict=True))
    return request.model_copy(update={"messages": (*request.messages, said, *answered)})


def _bound(turns: Sequence[PaidAnswer], calls: Sequence[ToolCall], request: ModelRequest) -> str | None:
    if len(turns) >= MOST_TURNS:
        return f"After {MOST_TURNS} turns it still calls tools instead of answering."
    if len(calls) > MOST_CALLS:
        return f"It called tools more than {MOST_CALLS} times."
    if sum(message.size for message in request.messages) > LONGEST_CHAT_BYTES:
        return f"With what its tools answered, the chat is longer than {LONGEST_CHAT_BYTES} bytes."
    return None
