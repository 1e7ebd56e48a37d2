"""What recordings answer to a call of a tool, and what they never do."""

from typing import Any

import pytest

from spectral_platform.evaluations.trajectories.recordings import Playback, Recording, Recordings, ToolUse
from spectral_platform.llm.messages import ToolCall


def recorded(name: str, arguments: dict[str, Any] | str, result: str, trace_id: str = "t1") -> Recording:
    return Recording(trace_id=trace_id, call=ToolCall(name=name, arguments=arguments), result=result)


def answers(recordings: Recordings, *calls: tuple[str, dict[str, Any] | str], trace_id: str | None = None) -> list[str | None]:
    playback = Playback(recordings, trace_id=trace_id)
    replies = [playback.answer(ToolCall(name=name, arguments=arguments)) for name, arguments in calls]
    return [reply.result if reply else None for reply in replies]


def test_a_call_is_answered_by_one_of_the_same_tool_with_the_same_arguments() -> None:
    recordings = Recordings([recorded("find", {"id": 7, "full": True}, "seven")])

    same, other, text, elsewhere = answers(
        recordings,
        ("find", {"full": True, "id": 7}),
        ("find", {"id": 8, "full": True}),
        ("find", '{"id": 7, "full": true, }'),
        ("drop", {"id": 7, "full": True}),
    )

    assert (same, other, text, elsewhere) == ("seven", None, None, None)


def test_the_same_question_is_answered_as_it_was_each_time_and_first_by_its_own_trace() -> None:
    made = [
        recorded("state", {}, "done", "newest"),
        recorded("state", {}, "waiting", "own"),
        recorded("state", {}, "moving", "own"),
    ]
    recordings = Recordings(made, read_only={"state"})

    assert answers(recordings, *[("state", {})] * 3, trace_id="own") == ["waiting", "moving", "moving"]
    assert answers(recordings, *[("state", {})] * 2) == ["done", "done"]


def test_a_tool_that_may_change_something_answers_no_more_often_than_it_did() -> None:
    recordings = Recordings([recorded("refund", {"order": 7}, "refunded")])

    assert answers(recordings, *[("refund", {"order": 7})] * 2) == ["refunded", None]


SEARCHED = {"query": "How long does a refund to my card take", "shop": "DE-1", "limit": None}
RANGE = "the orders numbered from 10 to 20"


@pytest.mark.parametrize(
    ("asked", "is_answered"),
    [
        (SEARCHED | {"query": "how long does a refund to the card take?"}, True),
        ({"query": SEARCHED["query"], "shop": "de-1"}, True),
        (SEARCHED | {"query": "how long does a delivery to my home take"}, False),
        (SEARCHED | {"shop": "DE-2"}, False),
        (SEARCHED | {"query": "How long does a refund of 17 to my card take"}, False),
        (SEARCHED | {"limit": 3}, False),
        (SEARCHED | {"query": RANGE.replace("10 to 20", "20 to 10")}, False),
        (SEARCHED | {"query": RANGE + "?"}, True),
        ({"query": SEARCHED["query"]}, False),
        ("How long does a refund to my card take", False),
        ({"query": {"query": "'; DROP TABLE orders; --"}, "shop": ["DE-1"] * 50}, False),
    ],
)
def test_only_prose_may_differ_and_only_for_tools_that_change_nothing(asked: dict[str, Any] | str, is_answered: bool) -> None:
    made = [
        recorded("search", SEARCHED, "five days"),
        recorded("search", SEARCHED | {"query": RANGE}, "eleven of them"),
        recorded("order", SEARCHED, "ordered"),
    ]
    playback = Playback(Recordings(made, read_only={"search"}))

    reply = playback.answer(ToolCall(name="search", arguments=asked))
    playback.answer(ToolCall(name="order", arguments=asked))  # which may change something

    assert (reply is not None) is is_answered
    assert reply is None or reply.is_near
    assert playback.use == ToolUse(calls=2, covered=int(is_answered), near=int(is_answered))


def test_without_calls_nothing_is_uncovered() -> None:
    assert (ToolUse().coverage, ToolUse(calls=4, covered=3).coverage) == (1.0, 0.75)
    assert not Recordings(())
