"""Names and types of variables: from what spans say of them, else from the words before them, else from what their values are."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from json import loads

from spectral_platform.inference.labels import last_item, last_label
from spectral_platform.inference.patterns import Role, Slot
from spectral_platform.inference.tokens import tokenize

LONGEST_NAME = 40
LONGEST_LABEL_WORDS = 3
LONGEST_LINE = 200
MOST_CHOICES = 12
VALUES_PER_CHOICE = 3
AGREEING = 0.6
SEEN = 400
_FILLERS = """
a an and any are as at be below by following for from given here has have in into is it its of on or our please provided
that the their then there these this those to use user's using was we with you your
"""
FILLERS = frozenset(_FILLERS.split())
_NOUNS = """
abstract address agenda answer article audience author body bio category chat city claim code color comment company
content context conversation country criteria currency customer data date description diff dialogue document documents
draft email entity error event examples excerpt expression facts feedback file format function genre goal guidelines
headline history hypothesis id information input instruction instructions invoice item items job keywords label language
level limit location log memory message messages name note notes number observation observations options order outline
output paper paragraph passage passages persona person plan platform policy post premise price problem product profile
prompt query question quote recipe reference region report request requirements response result results resume review
role rules scenario schema section sentence snippet source speaker statement status story style subject summary table
task tasks text thought thread ticket time title tone tools topic transcript tweet type url user value weather word
words
"""
NOUNS = frozenset(_NOUNS.split())
PREPOSITIONS = {"from": "source", "to": "target", "into": "target", "about": "topic", "on": "topic"}
CHATTING = frozenset({"user", "assistant", "human", "ai", "agent", "customer", "bot"})
_NUMBER = re.compile(r"[-+]?\d{1,3}(?:[,.]?\d{3})*(?:\.\d+)?%?|[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?%?")
_URL = re.compile(r"\w+://\S+")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_ITEM = re.compile(r"\s*(?:[-*•–]|\d+[.)]|\[\d+\]|<\w+|\w+ \d+:)")
_NOT_A_LETTER = re.compile(r"\W+")


class VariableType(StrEnum):
    """What the values of a variable are."""

    TEXT = "text"
    LINE = "line"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    URL = "url"
    EMAIL = "email"
    CODE = "code"
    JSON = "json"
    CHOICE = "choice"
    LIST = "list"
    EXAMPLES = "examples"
    SECTION = "section"


def type_of(values: Sequence[str], slot: Slot | None) -> VariableType:
    """What the values of a slot are; of a section, that it is one."""
    if slot is None:
        return VariableType.SECTION
    if slot.role is Role.BLOCKS:
        return VariableType.LIST if last_item(tokenize(slot.label).keys) else VariableType.EXAMPLES
    said = [value.strip() for value in values if value.strip()]
    for kind, is_of in _TESTS:
        if said and all(map(is_of, said)):
            return kind
    distinct = len(set(said))
    if 2 <= distinct <= MOST_CHOICES and len(said) >= VALUES_PER_CHOICE * distinct and max(map(len, said)) <= LONGEST_LINE:
        return VariableType.CHOICE
    if said and all(_is_list(value) for value in said):
        return VariableType.LIST
    is_short = all("\n" not in value and len(value) <= LONGEST_LINE for value in said)
    return VariableType.LINE if is_short else VariableType.TEXT


def name_of(
    slot: Slot | None, kind: VariableType, values: Sequence[str], votes: Counter[str], *, before: str, behind: str
) -> str:
    """A name for a variable, by which several may go yet. ``votes`` are the names of span attributes that had its values.

    ``before`` and ``behind`` are the constants around it.
    """
    if votes:
        return _identifier(votes.most_common(1)[0][0]) or kind.value
    if kind is VariableType.EXAMPLES:
        return "conversation" if slot and _words(slot.label)[:1] and _words(slot.label)[0] in CHATTING else "examples"
    counted = re.match(r" ([a-z]{3,})\b", behind)
    if kind is VariableType.NUMBER and counted and before[-1:] not in {":", "=", "\n"} and not before.endswith((": ", "= ")):
        return _identifier(counted.group(1))
    by_label = _named_before(before, is_number=kind is VariableType.NUMBER)
    if by_label:
        return by_label
    said = [value.strip() for value in values if value.strip()]
    if said and sum(value.endswith(("?", "？")) for value in said) >= AGREEING * len(said):
        return "question"
    return {
        VariableType.LINE: "value",
        VariableType.CHOICE: "choice",
        VariableType.SECTION: "section",
        VariableType.LIST: "items",
    }.get(kind, kind.value)


def vote(values: Sequence[str], said: Sequence[Mapping[str, str]]) -> Counter[str]:
    """The names under which most of the texts that have a value have it in what is said of them."""
    votes: Counter[str] = Counter()
    counted = 0
    for value, names in zip(values, said, strict=True):
        if value.strip():
            counted += 1
            votes.update({name for name, known in names.items() if known == value.strip()})
    return Counter({name: count for name, count in votes.items() if count >= AGREEING * counted})


def _named_before(before: str, *, is_number: bool) -> str:
    """The name in the words that lead up to a value: its label, else the last noun of the sentence."""
    line = before.rstrip().rsplit("\n", 1)[-1]
    keys = tokenize(before[-400:]).keys
    label = last_label(keys)
    words = _words(" ".join(label)) if label else []
    if not words:
        key = re.search(r"[\"']?([\w .-]{1,30}?)[\"']?\s*[:=]\s*[\"'(\[{<`]*\s*$", line)
        words = _words(key.group(1).rsplit(".", 1)[-1]) if key else []
    if not words and (tag := re.search(r"<([\w-]+)[^<>]*>\s*$", before)):
        words = _words(tag.group(1))
    if 0 < len(words) <= LONGEST_LABEL_WORDS:
        return _identifier("_".join(words))
    sentence = re.split(r"[.!?;]\s|\n\s*\n", before.rstrip(" \n:\"'`(<[{"))[-1]
    is_inline = before.rstrip(" \"'`(<[{")[-1:] not in {":", "\n"}
    nouns = [word for word in _words(sentence)[-2 if is_inline else -12 :] if word in NOUNS]
    last_word = sentence.split()[-1:]
    if is_inline and last_word and last_word[0].lower() in PREPOSITIONS:
        return PREPOSITIONS[last_word[0].lower()]
    if is_inline and is_number and (counted := _words(" ".join(last_word))):
        return _identifier(counted[-1])
    if nouns:
        return nouns[-1]
    return _identifier("_".join(words[-LONGEST_LABEL_WORDS:]))


def _words(text: str) -> list[str]:
    """The words of a label that mean something, in small letters."""
    words = [word for word in _NOT_A_LETTER.sub(" ", text).lower().split() if not word.isdecimal()]
    return [word for word in words if word not in FILLERS]


def _identifier(text: str) -> str:
    leaf = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()  # before the next line: what is small may be no letter, as in İ
    return re.sub(r"\W+", "_", leaf).strip("_")[:LONGEST_NAME].strip("_")


def unique(names: Sequence[str]) -> list[str]:
    """The names, and for those that are there already, with a number behind them."""
    taken: set[str] = set()
    told: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate)
        told.append(candidate)
    return told


def _is_number(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None


def _is_date(value: str) -> bool:
    if not value[:1].isdigit() or len(value) < len("2026-1-1"):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_json(value: str) -> bool:
    if value[:1] not in {"{", "["}:
        return False
    try:
        loads(value)
    except (ValueError, RecursionError):  # a number of very many digits is no JSONDecodeError
        return False
    return True


def _is_code(value: str) -> bool:
    signs = sum(value.count(sign) for sign in "{}();=<>")
    return "\n" in value and signs >= max(6, len(value) / 40)


def _is_list(value: str) -> bool:
    items = [line for line in value.splitlines() if line.strip()]
    return bool(items) and _ITEM.match(items[0]) is not None and sum(_ITEM.match(line) is not None for line in items) >= 2


_TESTS = (
    (VariableType.BOOLEAN, lambda value: value.lower() in {"true", "false", "yes", "no"}),
    (VariableType.DATE, _is_date),
    (VariableType.NUMBER, _is_number),
    (VariableType.URL, lambda value: _URL.fullmatch(value) is not None),
    (VariableType.EMAIL, lambda value: _EMAIL.fullmatch(value) is not None),
    (VariableType.JSON, _is_json),
    (VariableType.CODE, _is_code),
)
