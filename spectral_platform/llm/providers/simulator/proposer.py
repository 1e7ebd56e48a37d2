"""The simulated proposer: makes instructions of the feedback it is shown, and now and then a tempting or an idle one.

The temptations are there on purpose: a search whose every proposal is good would leave the gates nothing to reject.
"""

import json
import re
from collections import Counter
from typing import Any, NamedTuple

from spectral_platform.llm.errors import ProviderRejected
from spectral_platform.llm.messages import ModelRequest, Role

CRITERIA_PER_EDIT = 3


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
        task = json.loads(users[-1])
        name, text = str(task["component"]["name"]), str(task["component"]["text"])
        attempt, cases, cluster = int(task["attempt"]), list(task["cases"]), dict(task.get("cluster") or {})
        tried = [(str(edit["rationale"]), str(edit["outcome"])) for edit in task.get("tried", [])]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ProviderRejected("The simulated proposer needs the JSON document of a proposal task.") from error
    aside = next((aside for aside in _ASIDES.get(attempt % _CYCLE, ()) if _is_open(aside, text, tried)), None)
    if aside is None:
        lines, rationale = _learned(cases, cluster, text, [edit[0] for edit in tried])
    else:
        lines, rationale = [aside.line], aside.rationale
    new_text = "\n".join((text.rstrip(), *(f"- {line}" for line in lines)))
    return json.dumps({"component": name, "text": new_text, "rationale": rationale}, ensure_ascii=False)


def _is_open(aside: _Aside, text: str, tried: list[tuple[str, str]]) -> bool:
    """Whether the aside is neither in the text nor known to do harm: to a good reason one comes back more than once."""
    return aside.line not in text and not any(
        rationale == aside.rationale and _FOUND_OUT in outcome for rationale, outcome in tried
    )


def _learned(cases: list[dict[str, Any]], cluster: dict[str, Any], text: str, tried: list[str]) -> tuple[list[str], str]:
    """Instructions for the criteria that failed most, those of the cluster first, those already tried last."""
    counts: Counter[str] = Counter()
    sentences: dict[str, Counter[str]] = {}
    for case in cases:
        for item in case.get("criteria", []):
            if item.get("passed") is False:
                key = str(item["criterion"])
                counts[key] += 1
                sentence = str(item.get("requirement") or item.get("feedback") or "")
                sentences.setdefault(key, Counter())[sentence] += 1
    for rank, key in enumerate(cluster.get("criteria", [])):
        if key in counts:
            counts[key] += 2 if rank == 0 else 1
    for key in counts:
        counts[key] -= 2 * sum(f"[{key}]" in rationale for rationale in tried)
    lines: dict[str, str] = {}
    for key, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        line = _as_instruction(sentences[key].most_common(1)[0][0])
        if line and line not in text and len(lines) < CRITERIA_PER_EDIT:
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
