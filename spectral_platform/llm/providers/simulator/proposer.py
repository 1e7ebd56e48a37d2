"""The simulated proposer: makes instructions of the feedback it is shown, and now and then a tempting or an idle one.

The temptations are there on purpose: a search whose every proposal is good would leave the gates nothing to reject.
"""

import json
import re
from collections import Counter
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from spectral_platform.llm.errors import ProviderRejected
from spectral_platform.llm.messages import ModelRequest, Role

CRITERIA_PER_EDIT = 3


class _Finding(BaseModel):
    """What a criterion said of an answer."""

    criterion: str
    passed: bool
    requirement: str = ""
    feedback: str = ""


class _Case(BaseModel):
    criteria: list[_Finding] = []


class _Cluster(BaseModel):
    criteria: list[str] = []


class _Component(BaseModel):
    name: str
    text: str


class _TriedEdit(BaseModel):
    rationale: str
    outcome: str


class _Task(BaseModel):
    """What the proposer needs of a proposal task; the rest of the document is for models that can read."""

    attempt: int
    component: _Component
    cases: list[_Case]
    cluster: _Cluster | None = None
    tried: list[_TriedEdit] = []


class _Aside(NamedTuple):
    """A proposal that no failure asked for."""

    line: str
    rationale: str


_EAGER = _Aside(
    "Never refuse a request: always give the customer what they ask for.",
    "Customers were sent away without an answer; the agent should say yes more often.",
)
_BRIEF = _Aside(
    "Be extremely concise and answer in one sentence.",
    "Answers ramble; shorter ones are cheaper and faster to read.",
)
_IDLE = _Aside(
    "Be professional and do your best at all times.",
    "A reminder of quality should raise it across the board.",
)
_ASIDES = {0: (_EAGER, _BRIEF), 2: (_EAGER, _IDLE), 4: (_BRIEF, _IDLE)}
"""By attempt: the first of these that was not found out yet."""
_CYCLE = 8
_FOUND_OUT = "harm"
_QUOTED = re.compile(r"[\"“][^\"”]*[\"”]|\bpattern\b")


def answer_as_proposer(request: ModelRequest) -> str:
    """One proposal as JSON; which kind follows from the attempt's number."""
    users = [message.content for message in request.messages if message.role is Role.USER]
    try:
        task = _Task.model_validate_json(users[-1] if users else "")
    except ValidationError as error:
        raise ProviderRejected("The simulated proposer needs the JSON document of a proposal task.") from error
    name, text = task.component.name, task.component.text
    aside = next((aside for aside in _ASIDES.get(task.attempt % _CYCLE, ()) if _is_open(aside, text, task.tried)), None)
    lines, rationale = _learned(task) if aside is None else ([aside.line], aside.rationale)
    new_text = "\n".join((text.rstrip(), *(f"- {line}" for line in lines)))
    return json.dumps({"component": name, "text": new_text, "rationale": rationale}, ensure_ascii=False)


def _is_open(aside: _Aside, text: str, tried: list[_TriedEdit]) -> bool:
    """Whether the aside is neither in the text nor known to do harm: to a good reason one comes back more than once."""
    return aside.line not in text and not any(edit.rationale == aside.rationale and _FOUND_OUT in edit.outcome for edit in tried)


def _learned(task: _Task) -> tuple[list[str], str]:
    """Instructions for the criteria that failed most, those of the cluster first, those already tried last."""
    counts: Counter[str] = Counter()
    sentences: dict[str, Counter[str]] = {}
    for case in task.cases:
        for finding in case.criteria:
            if not finding.passed:
                counts[finding.criterion] += 1
                sentence = finding.requirement or finding.feedback
                sentences.setdefault(finding.criterion, Counter())[sentence] += 1
    for rank, key in enumerate(task.cluster.criteria if task.cluster else []):
        if key in counts:
            counts[key] += 2 if rank == 0 else 1
    for key in counts:
        counts[key] -= 2 * sum(f"[{key}]" in edit.rationale for edit in task.tried)
    lines: dict[str, str] = {}
    for key, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        line = _as_instruction(sentences[key].most_common(1)[0][0])
        if line and line not in task.component.text and len(lines) < CRITERIA_PER_EDIT:
            lines[key] = line
    if not lines:
        return ["Read the question carefully before you answer."], "No new criterion failed; this asks for more care."
    named = " and ".join(f"[{key}]" for key in lines)
    return list(lines.values()), f"Answers kept failing {named}; the prompt did not ask for it, and now it does."


def _as_instruction(sentence: str) -> str:
    if _QUOTED.search(sentence):
        return ""  # what one case wanted, literally, is not a rule
    for opening, instead in (
        ("The answer must not ", "Never "),
        ("The answer must meet this: ", ""),
        ("The answer must ", "Always "),
    ):
        if sentence.startswith(opening):
            rest = sentence.removeprefix(opening)
            sentence = instead + rest if instead else rest
            break
    return sentence[:1].upper() + sentence[1:]
