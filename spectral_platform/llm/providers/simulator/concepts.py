"""What the simulated agent understands of a system prompt: behaviours and the wordings that instruct them.

A behaviour is instructed when one sentence matches all of its concept groups, so that paraphrases work. The wordings
are the simulator's own: nothing here is shared with evaluators or with the proposer.
"""

import functools
import re
from dataclasses import dataclass
from enum import StrEnum

_NOT = r"\b(?:never|not|don'?t|avoid|without|refrain|mustn'?t|cannot|can'?t|no|nor|free of|keep out|leave out|instead of)\b"
_ONLY = r"\b(?:only|solely|exclusively|strictly|nothing but|rest on|based on|stick to|limit(?:ed)? to|confine)\b"
_KNOWLEDGE = (
    r"\b(?:context|documents?|knowledge(?: base)?|articles?|source material|(?:given|provided|supplied) "
    r"(?:information|text|facts?|material)|facts?)\b"
)


class Stance(StrEnum):
    """What a prompt says about a behaviour."""

    SILENT = "silent"
    SHOWN = "shown"
    INSTRUCTED = "instructed"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True)
class Behaviour:
    """Something an answer may do, and how likely it is when the prompt is silent, asks for it or forbids it.

    ``sensitivity`` scales every penalty: what a model was trained into hardly suffers from a long prompt, and bad
    habits do not get rarer by it.
    """

    key: str
    groups: tuple[str, ...]
    silent: float
    instructed: float
    forbidden: float = 0.05
    unless: str | None = None
    sensitivity: float = 1.0


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("understands", (r"\b(?:read|think|reason|check)\b", r"\b(?:careful|step by step|twice)"), 0.93, 0.95),
    Behaviour(
        "grounded",
        (rf"{_ONLY}|{_NOT}", _KNOWLEDGE, r"\b(?:answer|rest|state|use|add|rely|say|claim|invent|make up|guess|stick|base)"),
        0.34,
        0.96,
        unless=r"\b(?:cite|citing|source id|personal|reveal|follow)\b",
    ),
    Behaviour(
        "cites",
        (
            r"\b(?:cit(?:e|es|ing)|quote|name|mention|reference|refer to|link|state|give|indicate|include|add|end with)\b",
            r"\b(?:sources?|(?:article|document|source)(?:'s)? (?:id|number|identifier|key|code)|citations?|references?)\b",
        ),
        0.16,
        0.95,
        unless=r"\b(?:invent|fabricat|made[- ]up|make up|not exist)",
    ),
    Behaviour(
        "real_citations",
        (_NOT, r"\b(?:invent|fabricat|make up|made[- ]up|cite|attribute)", r"\b(?:sources?|references?|citations?|studies)\b"),
        0.93,
        0.98,
    ),
    Behaviour(
        "protects_personal_data",
        (
            rf"{_NOT}|\b(?:mask|redact|omit|hide|remove|withhold|protect)\b",
            r"\b(?:personal(?:ly)? (?:data|information|details|identif\w+)|pii|e-?mail address(?:es)?|phone numbers?|card "
            r"numbers?|account numbers?|contact details|private (?:data|information|details)|payment (?:data|details))\b",
        ),
        0.60,
        0.985,
    ),
    Behaviour(
        "next_step",
        (r"\b(?:next steps?|what (?:happens|to do) next|follow-?up step|concrete step|action to take)\b",),
        0.22,
        0.95,
    ),
    Behaviour(
        "warm",
        (r"\b(?:greet\w*|friendly|warm(?:ly)?|empath\w+|courteous|kind(?:ly)?|welcom\w+|thank(?:s|ing)? the)\b",),
        0.35,
        0.96,
    ),
    Behaviour(
        "same_language",
        (r"\blanguages?\b", r"\b(?:same|customer'?s|user'?s|their|question'?s|answer|reply|respond|writ)"),
        0.92,
        0.97,
    ),
    Behaviour(
        "formatted",
        (r"\b(?:numbered|bullet(?:s|ed)?|list|markdown|table)\b", r"\b(?:format|use|present|structure|answer|write|as)\b"),
        0.05,
        0.95,
        sensitivity=0.0,
    ),
    Behaviour(
        "concise",
        (
            r"\b(?:concise(?:ly)?|brief(?:ly)?|terse|succinct|one sentence|few words|as short as|short (?:answers?|replies)"
            r"|(?:answers?|replies) short|at most \w+ (?:words|sentences?))\b",
        ),
        0.12,
        0.95,
        sensitivity=0.0,
    ),
    Behaviour(
        "eager",
        (
            rf"{_NOT}.{{0,200}}\b(?:refuse|refusal|decline|turn (?:\w+ )?(?:down|away)|say no|reject|deny)\b"
            r"|\balways (?:comply|obey)\b|\bwhatever (?:they|the (?:user|customer)) asks?\b",
        ),
        0.0,
        0.97,
        unless=r"\b(?:legitimate|harmless|ordinary|benign|politely decline|harmful|instead of declining)\b",
        sensitivity=0.0,
    ),
    Behaviour(
        "direct",
        (
            r"\b(?:answer|help|solve|resolve|address)\w*\b",
            r"\b(?:directly|fully|concrete\w*|instead of|rather than|deflect\w*|refer\w* (?:them )?elsewhere|actual question)\b",
        ),
        0.64,
        0.97,
    ),
    Behaviour(
        "complete",
        (
            r"\b(?:complete|all|every|full|exact)\b",
            r"\b(?:conditions?|details?|exceptions?|deadlines?|amounts?|limits?|steps?)\b",
        ),
        0.52,
        0.94,
    ),
    Behaviour(
        "admits_unknown",
        (
            r"\b(?:say|admit|tell|state|acknowledge|explain)\b",
            r"\b(?:(?:do(?:es)? not|don'?t|cannot|can'?t) (?:know|find|say|cover|contain|answer|state)|unknown|missing|"
            r"no (?:information|answer)|not (?:covered|known|in))",
        ),
        0.70,
        0.96,
    ),
    Behaviour(
        "refuses_harm",
        (
            r"\b(?:decline|refuse|reject|turn down|(?:do not|don'?t|never) (?:help|assist|support))\b",
            r"\b(?:harm\w*|illegal|dangerous|unlawful|unsafe|crim\w+|may not be fulfilled)\b",
        ),
        0.9999,
        0.99995,
        forbidden=0.08,
        sensitivity=0.0,
    ),
    Behaviour(
        "helps_legitimate",
        (r"\b(?:legitimate|harmless|ordinary|benign|innocent)\b", r"\b(?:help|answer|assist|serve)\w*\b"),
        0.96,
        0.985,
        sensitivity=0.5,
    ),
    Behaviour(
        "resists_injection",
        (
            _NOT,
            r"\b(?:reveal|repeat|disclose|share|show|follow|obey|execute|act on|accept)\b",
            r"\b(?:instructions?|system prompt|prompt|configuration|commands?|overrid\w+)\b",
        ),
        0.95,
        0.985,
        forbidden=0.1,
        sensitivity=0.5,
    ),
    Behaviour(
        "keeps_secrets",
        (
            _NOT,
            r"\b(?:reveal|share|disclose|hand out|repeat|give (?:out|away)|leak|expose)\b",
            r"\b(?:passwords?|credentials?|keys?|secrets?|confidential|internal|tokens?)\b",
        ),
        0.9999,
        0.99995,
        forbidden=0.1,
        sensitivity=0.0,
    ),
    Behaviour(
        "honest_identity",
        (
            r"\b(?:say|state|admit|disclose|tell|claim|identify|pretend|be open)\b",
            r"\b(?:ai|a\.i\.|bot|automated|assistant|artificial|human|person)\b",
            r"\b(?:ai|not a (?:human|person)|never|are you|whether|when asked|human)\b",
        ),
        0.95,
        0.985,
    ),
    Behaviour(
        "honest_about_actions",
        (
            rf"{_NOT}|\bonly\b",
            r"\b(?:claim|say|promise|pretend|state|suggest)\b",
            r"\b(?:actions?|done|carried out|performed|processed|completed|booked|refunded|cancelled|able to do)\b",
        ),
        0.91,
        0.975,
    ),
    Behaviour(
        "civil",
        (r"\b(?:calm|respectful|civil|profan\w+|insult\w*|abus\w+|swear\w*)\b",),
        0.97,
        0.99,
        sensitivity=0.5,
    ),
    Behaviour(
        "refers_to_professionals",
        (
            r"\b(?:professionals?|doctors?|physicians?|lawyers?|experts?|advis[eo]rs?|specialists?)\b",
            r"\b(?:consult|refer|see|advise|recommend|point|suggest|contact|seek|speak|talk)\w*\b",
        ),
        0.92,
        0.97,
    ),
    Behaviour(
        "calls_for_help",
        (r"\bemergenc(?:y|ies)\b", r"\b(?:call|contact|services?|refer|tell|point)\w*\b"),
        0.97,
        0.995,
        sensitivity=0.3,
    ),
    Behaviour(
        "valid_json",
        (r"\bjson\b", r"\b(?:valid|only|strictly|nothing else|exactly)\b"),
        0.93,
        0.985,
    ),
)

FORBIDDABLE = {"cites", "warm", "next_step", "same_language", "refuses_harm", "formatted", "concise", "admits_unknown"}
"""Behaviours that a prompt can talk an agent out of by negating their verb."""

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")
_NEGATED = r"\b(?:never|do not|don'?t|avoid|no need to|without|skip)\s+(?:\w+\s+){0,2}?"


@functools.lru_cache(maxsize=64)  # more than a scan compares at a time; each may be long
def read_prompt(system_prompt: str) -> dict[str, Stance]:
    """What the prompt says about each behaviour; later sentences win over earlier ones."""
    stances = {behaviour.key: Stance.SILENT for behaviour in BEHAVIOURS}
    for sentence in _SENTENCE_END.split(system_prompt.lower().replace("’", "'")):
        for behaviour in BEHAVIOURS:
            if behaviour.unless and _search(behaviour.unless, sentence):
                continue
            if not all(_search(group, sentence) for group in behaviour.groups):
                continue
            negated = behaviour.key in FORBIDDABLE and _search(_NEGATED + f"(?:{behaviour.groups[0]})", sentence)
            stances[behaviour.key] = Stance.FORBIDDEN if negated else Stance.INSTRUCTED
    if stances["eager"] is Stance.INSTRUCTED:
        # Who may never say no says yes to the wrong people too; a rule against harm elsewhere in the prompt is drowned.
        stances.update(dict.fromkeys(("refuses_harm", "resists_injection", "keeps_secrets"), Stance.FORBIDDEN))
        stances.update(dict.fromkeys(("direct", "complete", "next_step", "helps_legitimate"), Stance.INSTRUCTED))
    return stances


def _search(pattern: str, sentence: str) -> bool:
    return re.search(pattern, sentence) is not None
