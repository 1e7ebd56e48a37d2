"""What tools answered in recorded runs, and what one of them would answer to a call: nothing is ever made up.

A call is answered by a recorded one of the same tool with the same arguments, whatever their order. Only of a tool that changes
nothing a nearly equal call will do: identifiers, numbers and everything else that is no prose must still agree, and of prose most
words. Where a run asked the same several times, its answers are given in their order. One that changes nothing gives the last one
from then on; what another one says when it is told to do the same once more than recorded nobody knows.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from spectral_platform.core.values import Value
from spectral_platform.llm.messages import ToolCall

LEAST_LIKENESS = 0.7
"""So much of the words of both calls must be in both (Jaccard)."""
MOST_COMPARED = 2_000
"""Nearly equal calls are looked for among so many recorded ones of a tool, the newest."""
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Recording:
    """One call of a tool in one trace, and what it answered."""

    trace_id: str
    call: ToolCall
    result: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a recorded call answers; ``is_near`` where its arguments were not quite the same."""

    result: str
    is_near: bool = False


class ToolUse(Value):
    """How many calls of tools there were, how many of them recordings answered, and how many of those only nearly."""

    calls: int = 0
    covered: int = 0
    near: int = 0

    @property
    def coverage(self) -> float:
        """The share of calls that were answered; 1 where nothing was asked."""
        return self.covered / self.calls if self.calls else 1.0

    def __add__(self, other: "ToolUse") -> "ToolUse":
        return ToolUse(calls=self.calls + other.calls, covered=self.covered + other.covered, near=self.near + other.near)


class Recordings:
    """Recorded calls by tool and arguments. They come with the newest trace first, and within a trace in their order."""

    def __init__(self, recordings: Iterable[Recording], *, read_only: Collection[str] = ()) -> None:
        self._read_only = frozenset(read_only)
        self._answers: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._words: dict[str, dict[str, tuple[str, frozenset[str]]]] = defaultdict(dict)
        for recording in recordings:
            key = _key(recording.call)
            self._answers[key][recording.trace_id].append(recording.result)
            of_tool = self._words[recording.call.name]
            if recording.call.name in self._read_only and len(of_tool) < MOST_COMPARED:
                of_tool.setdefault(key, _taken_apart(recording.call))

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._answers)

    def find(self, call: ToolCall, *, trace_id: str | None, earlier: int) -> Reply | None:
        """What answers the call for the ``earlier``-th time after the first; None where no recording does.

        What the trace itself recorded is preferred to what others did.
        """
        key = _key(call)
        if key in self._answers:
            answers = self._recorded(key, trace_id)
            is_told = earlier < len(answers) or call.name in self._read_only
            return Reply(answers[min(earlier, len(answers) - 1)]) if is_told else None
        near = self._nearest(call)
        if near is None:
            return None
        answers = self._recorded(near, trace_id)
        return Reply(answers[min(earlier, len(answers) - 1)], is_near=True)

    def _recorded(self, key: str, trace_id: str | None) -> list[str]:
        by_trace = self._answers[key]
        return by_trace[trace_id] if trace_id in by_trace else next(iter(by_trace.values()))

    def _nearest(self, call: ToolCall) -> str | None:
        if call.name not in self._read_only:
            return None
        exact, words = _taken_apart(call)
        likeness = {
            key: _jaccard(words, known) for key, (fixed, known) in self._words.get(call.name, {}).items() if fixed == exact
        }
        best = max(likeness, key=likeness.__getitem__, default=None)
        return best if best is not None and likeness[best] >= LEAST_LIKENESS else None


class Playback:
    """One run's use of recordings: it knows what was asked before."""

    def __init__(self, recordings: Recordings, *, trace_id: str | None = None) -> None:
        self._recordings = recordings
        self._trace_id = trace_id
        self._asked: Counter[str] = Counter()
        self.use = ToolUse()

    def answer(self, call: ToolCall) -> Reply | None:
        """What the tool answers; None where no recording says."""
        key = _key(call)
        reply = self._recordings.find(call, trace_id=self._trace_id, earlier=self._asked[key])
        self._asked[key] += 1
        self.use += ToolUse(calls=1, covered=int(reply is not None), near=int(reply is not None and reply.is_near))
        return reply


def _key(call: ToolCall) -> str:
    arguments = call.arguments if isinstance(call.arguments, dict) else " ".join(call.arguments.split())
    return orjson.dumps([call.name, arguments], option=orjson.OPT_SORT_KEYS).decode()


def _taken_apart(call: ToolCall) -> tuple[str, frozenset[str]]:
    """What of the arguments must agree, as text, and the words of those that are prose. What is null is as if it were absent."""
    if isinstance(call.arguments, str):
        return call.arguments, frozenset()
    words: set[str] = set()
    fixed = _fixed(call.arguments, words)
    return orjson.dumps(fixed, option=orjson.OPT_SORT_KEYS).decode(), frozenset(words)


def _fixed(value: Any, words: set[str]) -> Any:
    """The value with every prose in it replaced by what of it must agree; its words are added to ``words``."""
    if isinstance(value, Mapping):
        return {name: _fixed(part, words) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_fixed(part, words) for part in value]
    if not isinstance(value, str):
        return value
    found = _WORDS.findall(value.casefold())
    if len(found) < 2 or len(value.split()) < 2:
        return value.strip().casefold()
    words.update(found)
    return [word for word in found if not word.isalpha()]  # in their order: from 1 to 2 is not from 2 to 1


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0
