"""What goes wrong in a run and can be seen in its steps alone, without a judge and always in the same way.

Each detector is cautious: what was not recorded is unknown, and what is unknown is not held against anybody. Rules of precedence
(``learn_precedence``) are the "precedence" constraint of declarative process mining (Pesic and van der Aalst 2006), learned from
the runs themselves.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from spectral_platform.core.values import Value
from spectral_platform.evaluations.trajectories.trajectory import TRANSIENT, Step, Trajectory, error_class, names_in_order
from spectral_platform.traces.spans import SpanKind

RETRIES_OF_TRANSIENT = 2
"""So often may a call be repeated unchanged after an error that may pass."""
RETURNS_OF_A_LOOP = 2
"""From so many returns to the same handoff on, with nothing new in between, agents go in circles."""
FEWEST_RUNS = 20
LEAST_SHARE = 0.95
"""A step comes before another as a rule when it does in so many of at least so many runs."""
LONGEST_READ = 50_000
FEWEST_NEW_WORDS = 4
_WORD = re.compile(r"[^\W_]{4,}")
_EMPTY = frozenset({"", "[]", "{}", "null", "none", '""', "''", "no results", "no results found", "no documents found"})
_EMPTY_LISTS = re.compile(r'^\{\s*"(?:documents|results|matches|hits|items|nodes|data)"\s*:\s*\[\s*\][^\[]*\}$')
_CUT_SHORT = frozenset({"length", "max_tokens", "max_output_tokens"})
_CALLING = frozenset({"tool_calls", "tool_use", "tool-calls", "function_call"})
_PROMISE = re.compile(
    r"\b(?:let me|i(?:'ll|’ll| will| am going to|'m going to)|one moment while i)\s+(?:just |now |quickly |first )*"
    r"(?:check|look|search|find|verify|fetch|retrieve|query|call)\b[^.?!]*[.…:!]*\s*$",
    re.IGNORECASE,
)


class Detection(Value):
    """Something that went wrong: ``detector`` names what, ``feedback`` says what should have happened, ``evidence`` shows it.

    ``severity`` in [0, 1] is our judgement of how much such a thing usually costs.
    """

    detector: str
    feedback: str
    evidence: str
    severity: float
    tool: str | None = None
    kind: SpanKind | None = None
    error: str | None = None
    span_id: str | None = None


class Precedence(Value):
    """That ``first`` comes before ``then`` in ``share`` of the ``runs`` that have ``then``."""

    first: str
    then: str
    runs: int
    share: float


def detect_repeated_call(run: Trajectory) -> list[Detection]:
    """The same tool called with the same arguments again although it had answered the same: nothing new could come of it."""
    answered: dict[str, Step] = {}
    found: dict[str, Detection] = {}
    for step in run.of(SpanKind.TOOL):
        if step.call is None or step.error is not None:
            continue
        before = answered.get(step.call)
        if before is not None and before.result == step.result and step.call not in found:
            found[step.call] = Detection(
                detector="repeated_call",
                feedback=f"Do not call {step.name} again with the same arguments; use what it has answered.",
                evidence=_quote(step.arguments),
                severity=0.3,
                tool=step.name,
                kind=SpanKind.TOOL,
                span_id=step.span_id,
            )
        answered[step.call] = step
    return list(found.values())


def detect_unchanged_retry(run: Trajectory) -> list[Detection]:
    """A call that failed, made again as it was. After an error that may pass, two such retries are fine."""
    failures: Counter[str] = Counter()
    last: dict[str, str] = {}
    found: dict[str, Detection] = {}
    for step in run.of(SpanKind.TOOL):
        if step.call is None:
            continue
        if failures[step.call] and step.call not in found:
            allowed = RETRIES_OF_TRANSIENT if error_class(last[step.call]) in TRANSIENT else 0
            if failures[step.call] > allowed:
                found[step.call] = Detection(
                    detector="unchanged_retry",
                    feedback=f"After an error of {step.name}, change the call or say that it failed; do not repeat it as it was.",
                    evidence=_quote(last[step.call]),
                    severity=0.6,
                    tool=step.name,
                    kind=SpanKind.TOOL,
                    error=error_class(last[step.call]),
                    span_id=step.span_id,
                )
        if step.error is not None:
            failures[step.call] += 1
            last[step.call] = step.error
        else:
            failures[step.call] = 0
    return list(found.values())


def detect_premature_finish(run: Trajectory) -> list[Detection]:
    """A run that ends before it is done: cut off, with a call outstanding, or with nothing but the promise of a step."""
    models = run.of(SpanKind.LLM)
    last = models[-1] if models else None
    reason = None
    if last is not None and last.finish in _CUT_SHORT:
        reason = "The answer was cut off at the limit of output tokens.", "length"
    elif last is not None and last.finish in _CALLING and run.steps[-1] is last:
        reason = "The model asked for a tool that was never called.", "outstanding_call"
    elif run.steps and run.steps[-1].kind is SpanKind.TOOL and run.steps[-1].error is not None and not run.answer.strip():
        reason = "The run ended at a tool's error without an answer.", error_class(run.steps[-1].error)
    elif (promise := _PROMISE.search(run.answer[-400:])) is not None:
        reason = f"The answer ends with a promise instead of a result: {_quote(promise.group())}", "promise"
    if reason is None:
        return []
    return [
        Detection(
            detector="premature_finish",
            feedback="Finish the task before answering.",
            evidence=reason[0],
            severity=0.8,
            kind=run.steps[-1].kind if run.steps else None,
            error=reason[1],
            span_id=run.steps[-1].span_id if run.steps else None,
        )
    ]


def detect_unread_result(run: Trajectory) -> list[Detection]:
    """A tool's answer of which nothing turns up later: neither in what a model was shown, nor in a call, nor in the answer."""
    found = []
    for place, step in enumerate(run.steps):
        if step.kind is not SpanKind.TOOL or step.error is not None or not step.result or len(step.result) > LONGEST_READ:
            continue
        later = run.steps[place + 1 :]
        told = [text for other in later for text in (other.seen, other.arguments) if text]
        if (not told and not run.answer) or any(len(text) > LONGEST_READ for text in told):
            continue
        new = _words(step.result) - _words(run.question) - _words(step.arguments or "") - _words(step.name)
        if len(new) < FEWEST_NEW_WORDS or any(new & _words(text) for text in (*told, run.answer)):
            continue
        found.append(
            Detection(
                detector="unread_result",
                feedback=f"Use what {step.name} answers.",
                evidence=_quote(step.result),
                severity=0.5,
                tool=step.name,
                kind=SpanKind.TOOL,
                span_id=step.span_id,
            )
        )
    return found


def detect_handoff_loop(run: Trajectory) -> list[Detection]:
    """Agents that hand work to and fro: the same handoff three times, and no tool answered anything new in between."""
    handoffs: dict[tuple[str, str], int] = defaultdict(int)
    agents: list[Step] = []
    results: set[str] = set()
    for step in run.steps:
        if step.kind in (SpanKind.TOOL, SpanKind.RETRIEVAL) and step.error is None and (step.result or "") not in results:
            results.add(step.result or "")
            handoffs.clear()
        if step.kind is not SpanKind.AGENT:
            continue
        agents.append(step)
        if len(agents) > 1 and agents[-2].name != step.name:
            pair = agents[-2].name, step.name
            handoffs[pair] += 1
            if handoffs[pair] > RETURNS_OF_A_LOOP:
                return [
                    Detection(
                        detector="handoff_loop",
                        feedback=f"{pair[0]} and {pair[1]} must not hand the task to each other again without anything new.",
                        evidence=" → ".join(names_in_order(agents)[-6:]),
                        severity=0.7,
                        kind=SpanKind.AGENT,
                        tool=" → ".join(sorted(pair)),
                        span_id=step.span_id,
                    )
                ]
    return []


def detect_empty_retrieval(run: Trajectory) -> list[Detection]:
    """A lookup that found nothing, in a run in which no other lookup found anything, and an answer all the same."""
    lookups = [step for step in run.of(SpanKind.RETRIEVAL) if step.result is not None and step.error is None]
    if not lookups or not run.answer.strip() or not all(_is_empty(step.result or "") for step in lookups):
        return []
    return [
        Detection(
            detector="empty_retrieval",
            feedback="When a lookup finds nothing, look again in other words or say that nothing was found.",
            evidence=_quote(lookups[-1].arguments),
            severity=0.5,
            tool=lookups[-1].name,
            kind=SpanKind.RETRIEVAL,
            span_id=lookups[-1].span_id,
        )
    ]


DETECTORS: tuple[Callable[[Trajectory], list[Detection]], ...] = (
    detect_repeated_call,
    detect_unchanged_retry,
    detect_premature_finish,
    detect_unread_result,
    detect_handoff_loop,
    detect_empty_retrieval,
)
NAMES = (
    *("repeated_call", "unchanged_retry", "premature_finish", "unread_result"),
    *("handoff_loop", "empty_retrieval", "missing_step"),
)
"""What detections can be called."""


def detect(run: Trajectory, rules: Sequence[Precedence] = ()) -> list[Detection]:
    """Everything that goes wrong in a run, with the steps that these rules ask for."""
    return [*(found for detector in DETECTORS for found in detector(run)), *detect_missing_step(run, rules)]


def learn_precedence(runs: Iterable[Trajectory]) -> list[Precedence]:
    """Which tool is called before which as a rule: in 95 % of the runs that call the second, of which there are at least 20.

    Of rules with the same second tool the one that holds most often stays: the others mostly follow from it.
    """
    having: Counter[str] = Counter()
    preceded: Counter[tuple[str, str]] = Counter()
    for run in runs:
        first_at: dict[str, int] = {}
        for place, step in enumerate(run.of(SpanKind.TOOL)):
            first_at.setdefault(step.name, place)
        for then, place in first_at.items():
            having[then] += 1
            preceded.update((first, then) for first, before in first_at.items() if before < place)
    rules: dict[str, Precedence] = {}
    for (first, then), count in sorted(preceded.items()):
        share = count / having[then]
        known = rules.get(then)
        if having[then] >= FEWEST_RUNS and LEAST_SHARE <= share < 1 and (known is None or share > known.share):
            rules[then] = Precedence(first=first, then=then, runs=having[then], share=share)
    return list(rules.values())


def detect_missing_step(run: Trajectory, rules: Sequence[Precedence]) -> list[Detection]:
    """A tool called without the one that nearly every other run calls before it."""
    called = [step.name for step in run.of(SpanKind.TOOL)]
    return [
        Detection(
            detector="missing_step",
            feedback=f"Call {rule.first} before {rule.then}.",
            evidence=f"{rule.share:.0%} of the {rule.runs} runs that call {rule.then} call {rule.first} before it.",
            severity=0.5,
            tool=rule.then,
            kind=SpanKind.TOOL,
            span_id=next(step.span_id for step in run.of(SpanKind.TOOL) if step.name == rule.then),
        )
        for rule in rules
        if rule.then in called and rule.first not in called[: called.index(rule.then)]
    ]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _is_empty(text: str) -> bool:
    bare = text.strip().casefold().rstrip(".")
    return bare in _EMPTY or _EMPTY_LISTS.match(bare) is not None


def _quote(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= 200 else f"{line[:199]}…"
