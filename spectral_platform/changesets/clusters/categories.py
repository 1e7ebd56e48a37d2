"""What kind of failure a cluster looks like: a guess by what failed and by the words in which it is told.

The kinds are those that two studies of failed agent runs arrived at by hand, joined and named in our own words: the ten
categories of AgentRx (single agents with tools, Microsoft Research 2026) and the fourteen failure modes of MAST (several agents,
Cemri et al. 2025, arXiv 2503.13657). A guess steers nothing; it is there to sort by.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum


class Category(StrEnum):
    """A kind of failure."""

    INSTRUCTION_IGNORED = "instruction_ignored"
    """Something that was asked for, such as a format, a length or a step, is not done."""
    INVENTED_CONTENT = "invented_content"
    """The answer says what nothing it was given supports."""
    WRONG_TOOL_CALL = "wrong_tool_call"
    """The wrong tool, or the right one with wrong arguments."""
    RESULT_MISREAD = "result_misread"
    """What a tool or another agent gave back is not used, or used wrongly."""
    REQUEST_MISREAD = "request_misread"
    """The answer is to another question than the one that was asked."""
    REQUEST_UNCLEAR = "request_unclear"
    """The request lacks something, and the agent does not ask."""
    REQUEST_UNSUPPORTED = "request_unsupported"
    """The agent cannot do what is asked, or what it needs is not there."""
    CONDUCT = "conduct"
    """A rule of conduct, safety or privacy is broken."""
    SYSTEM_FAILURE = "system_failure"
    """A tool, a model or the network failed."""
    STEP_REPEATED = "step_repeated"
    """The same step is taken again without anything new."""
    STOPPED_EARLY = "stopped_early"
    """The run ends before the task is done."""
    HANDOFF_FAILURE = "handoff_failure"
    """Agents hand work to and fro, or something is lost on the way."""
    NOT_VERIFIED = "not_verified"
    """A check that had to come first was left out."""
    UNDETERMINED = "undetermined"
    """Nothing tells."""


_BY_TOKEN = {
    "detector:repeated_call": Category.STEP_REPEATED,
    "detector:unchanged_retry": Category.STEP_REPEATED,
    "detector:premature_finish": Category.STOPPED_EARLY,
    "detector:unread_result": Category.RESULT_MISREAD,
    "detector:missing_step": Category.NOT_VERIFIED,
    "detector:handoff_loop": Category.HANDOFF_FAILURE,
    "detector:empty_retrieval": Category.REQUEST_UNSUPPORTED,
    "trace:error": Category.SYSTEM_FAILURE,
    "agent:error": Category.SYSTEM_FAILURE,
}
_BY_EVALUATOR = {
    "groundedness": Category.INVENTED_CONTENT,
    "tool_calls": Category.WRONG_TOOL_CALL,
    "json_schema": Category.INSTRUCTION_IGNORED,
    "json_path": Category.INSTRUCTION_IGNORED,
    "instruction": Category.INSTRUCTION_IGNORED,
    "max_tokens": Category.INSTRUCTION_IGNORED,
    "pii": Category.CONDUCT,
    "prompt_leak": Category.CONDUCT,
    "refusal": Category.CONDUCT,
    "max_latency": Category.SYSTEM_FAILURE,
}
_BY_WORDS: tuple[tuple[Category, re.Pattern[str]], ...] = tuple(
    (category, re.compile(rf"\b(?:{words})", re.IGNORECASE))
    for category, words in (
        (
            Category.INVENTED_CONTENT,
            "invent|made up|make up|hallucinat|unsupported|not supported|beyond the (?:context|document)|ground",
        ),
        (
            Category.CONDUCT,
            "personal data|privacy|secret|confidential|refus|declin|unsafe|harmful|toxic|rude|advice|disclos|leak",
        ),
        (Category.WRONG_TOOL_CALL, "argument|parameter|wrong tool|tool call"),
        (Category.REQUEST_UNCLEAR, "clarif|ask back|ambiguous|follow-up question|which order"),
        (Category.REQUEST_MISREAD, "off topic|irrelevant|another question|misunderst|does not answer|not address"),
        (Category.SYSTEM_FAILURE, "timed? ?out|timeout|unavailable|connection|rate limit|exception|internal error"),
        (Category.NOT_VERIFIED, "verif|confirm first|double-check|identity"),
        (
            Category.INSTRUCTION_IGNORED,
            "cite|source|format|json|language|shorter|longer|word|sentence|tone|must|length|greet|brief",
        ),
    )
)


def guess_category(fingerprint: Sequence[str], evaluators: Iterable[str], texts: Iterable[str]) -> Category:
    """The kind that most speaks for: what is known exactly first, then what evaluated, then how it is told.

    ``evaluators`` are ``kind@version`` or the kind alone, of each failure; ``texts`` say what went wrong.
    """
    for token in fingerprint:
        if token in _BY_TOKEN:
            return _BY_TOKEN[token]
    kinds = Counter(name.partition("@")[0] for name in evaluators)
    for kind, _ in sorted(kinds.items(), key=lambda item: (-item[1], item[0])):
        if kind in _BY_EVALUATOR:
            return _BY_EVALUATOR[kind]
    votes = Counter(
        next((category for category, words in _BY_WORDS if words.search(text)), Category.UNDETERMINED) for text in texts
    )
    told = [(count, category) for category, count in votes.items() if category is not Category.UNDETERMINED]
    return max(told, key=lambda vote: (vote[0], vote[1]))[1] if told else Category.UNDETERMINED
