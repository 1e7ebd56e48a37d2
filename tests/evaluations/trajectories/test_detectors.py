"""What detectors see in the steps of a run, and what they leave alone."""

import time
from typing import Any

import pytest

from spectral_platform.evaluations.trajectories.detectors import NAMES, Precedence, detect, detect_missing_step, learn_precedence
from spectral_platform.evaluations.trajectories.trajectory import Step, Trajectory, canonical, error_class
from spectral_platform.traces.spans import SpanKind

ONE_FORM, OTHER_FORM = '{"a":1,"b":2}', '{"b": 2, "a": 1}'
ORDER = '{"order": 4711}'
FOUND = '{"status": "shipped", "carrier": "Hermes", "date": "Thursday", "depot": "Leipzig"}'


def tool(name: str = "search", arguments: str | None = ORDER, result: str | None = "{}", error: str | None = None) -> Step:
    return Step(kind=SpanKind.TOOL, name=name, arguments=arguments, result=result, error=error)


def model(seen: str | None = None, finish: str | None = "stop") -> Step:
    return Step(kind=SpanKind.LLM, name="gpt", seen=seen, finish=finish)


def agent(name: str) -> Step:
    return Step(kind=SpanKind.AGENT, name=name)


def lookup(result: str | None) -> Step:
    return Step(kind=SpanKind.RETRIEVAL, name="articles", arguments="refunds", result=result)


def run(*steps: Step, answer: str = "It arrives soon.", question: str = "Where is my order 4711?") -> Trajectory:
    return Trajectory(question=question, answer=answer, steps=steps)


def turn(number: int) -> tuple[Step, ...]:
    return agent("a"), agent("b"), tool("t", str(number), str(number))


TABLE: list[tuple[str, Trajectory, set[str]]] = [
    ("nothing at all", run(answer=""), set()),
    ("one call", run(model(), tool(), model()), set()),
    ("the same call again", run(tool(), tool()), {"repeated_call"}),
    (
        "the same call in another order of names",
        run(tool(arguments=ONE_FORM), tool(arguments=OTHER_FORM)),
        {"repeated_call"},
    ),
    ("polling that tells something new", run(tool(result="a"), tool(result="b")), set()),
    ("other arguments", run(tool(), tool(arguments='{"order": 1}')), set()),
    ("arguments that nobody recorded", run(tool(arguments=None), tool(arguments=None)), set()),
    ("another tool with the same arguments", run(tool("a"), tool("b")), set()),
    ("three times is told once", run(tool(), tool(), tool()), {"repeated_call"}),
    ("an error and the same call", run(tool(error="no such order"), tool()), {"unchanged_retry"}),
    ("an error and another call", run(tool(error="no such order"), tool(arguments='{"order": 1}')), set()),
    ("a timeout and the same call", run(tool(error="timed out"), tool()), set()),
    ("four timeouts", run(*[tool(error="timed out")] * 4), {"unchanged_retry"}),
    ("a retry that worked, later the same", run(tool(error="503"), tool(), model()), set()),
    ("cut off", run(model(finish="length")), {"premature_finish"}),
    ("a call that nobody made", run(model(finish="tool_calls")), {"premature_finish"}),
    ("a call that was made", run(model(finish="tool_calls"), tool(), model()), set()),
    ("an error and no answer", run(tool(error="denied"), answer=""), {"premature_finish"}),
    ("an error and an answer", run(tool(error="denied"), answer="I could not find it."), set()),
    ("a promise", run(answer="Thank you. Let me check the status of your order."), {"premature_finish"}),
    ("a promise that is kept", run(answer="Let me check. Your order arrives on Thursday."), set()),
    ("advice to check", run(answer="Please check your mailbox."), set()),
    ("a result that nobody read", run(tool(result=FOUND), model(seen="Where is my order?")), {"unread_result"}),
    ("a result in the answer", run(tool(result=FOUND), answer="Hermes brings it on Thursday."), set()),
    ("a result that the model was shown", run(tool(result=FOUND), model(seen=f"tool: {FOUND}")), set()),
    ("a result that the next call uses", run(tool(result=FOUND), tool("carrier", '{"name": "Hermes"}', "{}")), set()),
    ("a result with nothing new in it", run(tool(result="ok")), set()),
    ("a result of unknown use", run(tool(result=FOUND), answer=""), set()),
    ("agents to and fro", run(*[agent("a"), agent("b")] * 4), {"handoff_loop"}),
    ("a supervisor with workers", run(agent("s"), agent("a"), agent("s"), agent("b"), agent("s")), set()),
    (
        "agents to and fro with new results",
        run(*(step for n in range(4) for step in (agent("a"), agent("b"), tool("t", str(n), str(n))))),
        set(),
    ),
    ("a lookup without a result", run(lookup("[]")), {"empty_retrieval"}),
    ("an empty list of documents", run(lookup('{"documents": []}')), {"empty_retrieval"}),
    ("the second lookup finds something", run(lookup("[]"), lookup('["KB-1"]')), set()),
    ("a lookup of unknown result", run(lookup(None)), set()),
    ("a lookup without a result and no answer", run(lookup("[]"), answer=""), set()),
]


@pytest.mark.parametrize(
    ("found", "expected"), [(case, expected) for _, case, expected in TABLE], ids=[name for name, *_ in TABLE]
)
def test_a_detector_sees_what_went_wrong_and_nothing_else(found: Trajectory, expected: set[str]) -> None:
    detections = detect(found)
    assert {each.detector for each in detections} == expected
    assert len(detections) == len(expected)
    assert all(each.feedback and each.evidence and 0 < each.severity <= 1 and each.detector in NAMES for each in detections)


def test_a_step_that_nearly_all_runs_take_first_is_missed_where_it_is_missing() -> None:
    usual = run(tool("identify"), tool("refund"))
    careless = run(tool("refund"), tool("identify", "{}"))
    rules = learn_precedence([usual] * 39 + [careless])
    assert rules == [Precedence(first="identify", then="refund", runs=40, share=39 / 40)]
    (missing,) = detect_missing_step(careless, rules)
    assert (missing.detector, missing.tool) == ("missing_step", "refund")
    assert "98% of the 40 runs" in missing.evidence
    assert detect_missing_step(usual, rules) == []


@pytest.mark.parametrize(("kept", "broken"), [(10, 1), (30, 10), (40, 0)])
def test_few_runs_or_a_divided_habit_are_no_rule(kept: int, broken: int) -> None:
    assert learn_precedence([run(tool("a"), tool("b"))] * kept + [run(tool("b"))] * broken) == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Request timed out", "timeout"),
        ("HTTP 429: slow down", "rate_limit"),
        ("503 Service Unavailable", "unavailable"),
        ("permission denied for 7", "denied"),
        ("Order 5 does not exist", "not_found"),
        ("field customer is required", "invalid_arguments"),
        ("boom", "other"),
    ],
)
def test_errors_have_a_class(message: str, expected: str) -> None:
    assert error_class(message) == expected


@pytest.mark.parametrize(("text", "form"), [('{"b": 1, "a": [1,2]}', '{"a":[1,2],"b":1}'), ("a  b\n", "a b"), ('{"a":', '{"a":')])
def test_arguments_have_one_form(text: str, form: Any) -> None:
    assert canonical(text) == form


def test_ten_thousand_runs_take_a_few_seconds_of_the_processor() -> None:
    prompt = " ".join(f"word{number}" for number in range(400))
    many = [
        run(model(seen=prompt), tool(result=FOUND), model(seen=f"{prompt} {FOUND}"), question=f"Order {number}?")
        for number in range(1_000)
    ]
    began = time.process_time()
    rules = learn_precedence(many)
    assert not any(detect(one, rules) for one in many)
    assert time.process_time() - began < 1.5  # a tenth of the runs
