"""The simulated judge: decides each criterion by what can be read off the text, and quotes what it decided on.

It is a heuristic and knows it: a criterion's wording selects checks (courtesy, source, next step, honesty, facts of the
expected answer or the context, …), all of which must hold. Sentences that talk to the judge prove nothing.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError

from spectral_platform.core.remembering import remembered
from spectral_platform.core.values import Value
from spectral_platform.llm.errors import ProviderRejected
from spectral_platform.llm.messages import ModelRequest, Role
from spectral_platform.llm.providers.simulator.reading import REMEMBERED, content_stems

_ENVELOPE = re.compile(r"^<(\w+)>\n(\{.*\})\n</\1>", re.MULTILINE)
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+(?=[^\s.!?])[^.!?\n]*)*[.!?]*\)?")
_TO_THE_JUDGE = re.compile(
    r"\b(?:full marks|full score|top score|highest (?:score|grade|rating)|verdict|judge|grader|evaluator|examiner"
    r"|rat(?:e|ing) this|all criteria|criteria (?:are|were) met|10/10|ignore (?:all|any|the|previous)"
    r"|mark (?:this|it|everything) as)\b",
    re.I,
)
_SAID = {
    name: re.compile(pattern, re.I)
    for name, pattern in {
        "greeting": r"\b(?:hello|hi there|dear|good (?:morning|day|afternoon)|thanks? (?:you )?for|happy to help|glad to)\b",
        "next_step": r"\bnext step|\b(?:reply here|let (?:me|us) know|try this|contact us|please (?:reply|open|go|send))\b",
        "source": r"\[[A-Za-z]+[-_ ]?\d+[\w-]*\]|\bsources?:|\baccording to\b",
        "unknown": (
            r"\b(?:do(?:es)? not|don'?t|doesn'?t|cannot|can'?t|not) (?:\w+ )?"
            r"(?:know|covered|find|found|state|stated|say|mention|contain)\b|\bno (?:information|answer|article)\b"
        ),
        "refusal": (
            r"\b(?:can'?t|cannot|won'?t|(?:am|are) (?:un|not )able to) (?:help|assist|share|disclose|do that|answer)\b"
            r"|\b(?:have to|must) (?:decline|refuse)\b"
        ),
        "deflection": r"\b(?:help pages|usual channels|handled elsewhere|look at our|check the usual)\b",
        "apology": r"\b(?:sorry|apologi[sz]e|regret|understand (?:that|how))\b",
        "claim": (
            r"\bI(?:'ve| have)(?: just| now| already)? \w+ed\b|\beverything is done\b|\btaken care of\b"
            r"|\bconsider it sorted\b"
        ),
    }.items()
}


class _Criterion(Value):
    id: str
    text: str


class _Envelope(Value):
    """The case as the judge is shown it."""

    criteria: tuple[_Criterion, ...] = Field(max_length=100)
    input: str | None = None
    context: str | None = None
    expected_output: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class _Case:
    question: str
    context: str
    expected: str
    answer: str
    sentences: tuple[str, ...]
    """Sentences of the answer that speak to the reader, not to the judge."""


_Finding = tuple[bool | None, str, float]
"""Whether the check holds (None: does not apply), the words it rests on, and how sure it is."""


def answer_as_judge(request: ModelRequest) -> str:
    """The verdicts on every criterion of the request's case, as JSON."""
    case, criteria = _read_case(request)
    verdicts = [{"id": criterion.id, **_verdict(criterion.text, case)} for criterion in criteria]
    return json.dumps({"criteria": verdicts}, ensure_ascii=False)


def _read_case(request: ModelRequest) -> tuple[_Case, tuple[_Criterion, ...]]:
    users = [message.content for message in request.messages if message.role is Role.USER]
    envelope = _ENVELOPE.search(users[-1]) if users else None
    if envelope is None:
        raise ProviderRejected("The simulated judge needs a case in an envelope of JSON.")
    try:
        shown = _Envelope.model_validate_json(envelope.group(2))
    except ValidationError as error:
        raise ProviderRejected("What is in the judge's envelope is not the JSON of a case.") from error
    case = _Case(
        shown.input or "", shown.context or "", shown.expected_output or "", shown.answer or "", _spoken(shown.answer or "")
    )
    return case, shown.criteria


@remembered(REMEMBERED)
def _spoken(answer: str) -> tuple[str, ...]:
    sentences = (match.group().strip() for match in _SENTENCE.finditer(answer))
    return tuple(sentence for sentence in sentences if sentence and not _TO_THE_JUDGE.search(sentence))


@remembered(REMEMBERED)  # one vote after another is asked for
def _verdict(criterion: str, case: _Case) -> Mapping[str, Any]:
    if not case.sentences:
        return {"verdict": "no", "evidence": "", "confidence": 0.95}
    findings = [finding for check in _checks(criterion) if (finding := check(case))[0] is not None]
    if not findings:
        return {"verdict": "na", "evidence": "", "confidence": 0.6}
    failed = next((finding for finding in findings if not finding[0]), None)
    holds, evidence, confidence = failed or findings[0]
    return {"verdict": "yes" if holds else "no", "evidence": evidence, "confidence": round(confidence, 2)}


@remembered(REMEMBERED)
def _checks(criterion: str) -> Sequence[Callable[[_Case], _Finding]]:
    return [check for pattern, check in _CHECKS if pattern.search(criterion)] or [_to_the_point]


def _says(kind: str) -> Callable[[_Case], _Finding]:
    def check(case: _Case) -> _Finding:
        found = next((sentence for sentence in case.sentences if _SAID[kind].search(sentence)), None)
        return (found is not None, found or "", 0.9)

    return check


def _does_not_say(kind: str) -> Callable[[_Case], _Finding]:
    def check(case: _Case) -> _Finding:
        found = next((sentence for sentence in case.sentences if _SAID[kind].search(sentence)), None)
        return (found is None, found or case.sentences[0], 0.85)

    return check


def _states_the_facts(case: _Case) -> _Finding:
    """The expected answer's content is said; without one, the context's closest sentence is."""
    if not case.expected:
        return _rests_on_the_context(case)
    wanted = content_stems(case.expected)
    said = set[str]().union(*map(content_stems, case.sentences))
    recall = sum(1 for word in wanted if word in said) / max(1, len(wanted))
    numbers = set(re.findall(r"\d+", case.expected)) - set(re.findall(r"\d+", " ".join(case.sentences)))
    holds = recall >= 0.6 and not numbers
    return holds, _closest(case, case.expected) if holds else "", abs(recall - 0.6) + 0.5


def _rests_on_the_context(case: _Case) -> _Finding:
    """No sentence says much that neither the context nor the question says."""
    if not case.context:
        return None, "", 0.5
    known = content_stems(case.context).keys() | content_stems(case.question).keys()
    for sentence in case.sentences:
        words = content_stems(sentence)
        if any(_SAID[kind].search(sentence) for kind in ("greeting", "next_step", "unknown", "refusal", "source", "apology")):
            continue
        if len(words) >= 5 and sum(1 for word in words if word in known) / len(words) < 0.5:
            return False, sentence, 0.8
    return True, _closest(case, case.context), 0.8


def _to_the_point(case: _Case) -> _Finding:
    """The answer deals with what was asked instead of pointing elsewhere, and states the facts where they are known."""
    evades, sentence, confidence = _does_not_say("deflection")(case)
    if not evades:
        return False, sentence, confidence
    if case.expected:
        return _states_the_facts(case)
    asked, said = content_stems(case.question), content_stems(" ".join(case.sentences))
    overlap = sum(1 for word in asked if word in said) / max(1, len(asked))
    has_substance = sum(said.values()) >= 4
    return has_substance and overlap >= 0.15, _closest(case, case.question) if has_substance else "", 0.5 + overlap / 2


def _offers_something(case: _Case) -> _Finding:
    """The reader gets something to work with: no deflection, no shrug."""
    for kind in ("deflection", "unknown", "refusal"):
        found = next((sentence for sentence in case.sentences if _SAID[kind].search(sentence)), None)
        if found is not None:
            return False, found, 0.8
    return True, max(case.sentences, key=len), 0.8


def _is_whole(case: _Case) -> _Finding:
    is_whole = case.answer.rstrip("\u200b\u2063 \n\"')]").endswith((".", "!", "?", "}", ":")) or len(case.sentences) == 1
    return is_whole, case.sentences[-1] if is_whole else "", 0.7


def _closest(case: _Case, text: str) -> str:
    wanted = content_stems(text)
    return max(case.sentences, key=lambda sentence: sum(1 for word in content_stems(sentence) if word in wanted))


_CHECKS: tuple[tuple[re.Pattern[str], Callable[[_Case], _Finding]], ...] = tuple(
    (re.compile(pattern, re.I), check)
    for pattern, check in (
        (r"\b(?:greet|friendly|warm|courte|polite|welcom|thank)", _says("greeting")),
        (r"\bnext step|what (?:happens|to do) next|follow-up", _says("next_step")),
        (r"\b(?:cite|source|reference|article id)", _says("source")),
        (r"\b(?:empath|apolog|regret)", _says("apology")),
        (r"\b(?:admit|acknowledge|says?) .{0,40}\b(?:not know|unknown|missing|no information|not covered)", _says("unknown")),
        (r"\b(?:not|never|without|no)\b.{0,40}\b(?:refus|declin)", _does_not_say("refusal")),
        (r"\b(?:not|never|no|without)\b.{0,40}\b(?:claim|pretend|promise)", _does_not_say("claim")),
        (r"\b(?:context|knowledge|document|grounded|invent|made up|hallucinat|unsupported)", _rests_on_the_context),
        (r"\b(?:expected|correct|accurate|right|key fact|complete|factual|wrong)", _states_the_facts),
        (r"\b(?:instead of|rather than|useful|helpful|something to work with|usable|concrete answer)", _offers_something),
        (r"\b(?:answers?|address(?:es)?|resolv|to the point|relevant|what was asked|question)\b", _to_the_point),
        (r"\b(?:whole|truncat|cut off|finished|unfinished)", _is_whole),
    )
)
