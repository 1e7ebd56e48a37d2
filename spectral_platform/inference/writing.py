"""Writes a pattern down as a template: constants as they are, placeholders for what varies."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from spectral_platform.inference.naming import VariableType, name_of, type_of, unique, vote
from spectral_platform.inference.patterns import Pattern, Section, Slot
from spectral_platform.inference.tokens import BOUNDARY

INPUT = "input"
"""What the user's text is called where templates are rendered."""
MOST_EXAMPLES = 5
LONGEST_EXAMPLE = 300
READ = 400
MOST_SHOTS = 20
LONGEST_SHOT = 4_000
_PLACEHOLDER = re.compile(r"\{\{\s*\w+\s*\}\}")
_LABEL = re.compile(r"^([A-Z][\w -]{0,30}):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Variable:
    """A placeholder. ``section`` is the optional part in which it stands, ``text`` what it holds if it is one itself."""

    name: str
    type: VariableType
    examples: tuple[str, ...]
    share: float
    section: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Shot:
    """An example that the template's text gives to the model."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Written:
    """A template. ``names`` are those of slots and sections by their numbers, ``literals`` what some variables always are."""

    base_prompt: str
    user_prompt: str | None
    variables: tuple[Variable, ...]
    shots: tuple[Shot, ...]
    names: dict[int, str]
    literals: dict[str, str]


def write(pattern: Pattern, values: Sequence[Mapping[int, str]], said: Sequence[Mapping[str, str]]) -> Written:
    """The template of a pattern, of whose texts these are the values by slot, and what is said of them otherwise."""
    values, said = values[:READ], said[:READ]
    leads = dict(_leads(pattern, ""))
    slots: dict[int, Slot | None] = {slot.number: slot for slot in pattern.slots()}
    sections = {section.number: section for section in pattern.sections()}
    slots |= dict.fromkeys(sections)
    same = _same(pattern, values)
    numbers = [number for number in leads if number not in same]
    types = {number: type_of([each[number] for each in values if number in each], slots[number]) for number in numbers}
    wanted = []
    for number in numbers:
        own = [each.get(number, "") for each in values]
        before, behind = leads[number]
        name = name_of(slots[number], types[number], own, vote(own, said), before=before, behind=behind)
        wanted.append(f"{_first_name(sections[number], name)}_section" if number in sections else name)
    alone = _alone(pattern)
    names = dict(
        zip(
            numbers,
            unique([INPUT if number == alone else name for number, name in zip(numbers, wanted, strict=True)]),
            strict=True,
        )
    )
    names |= {number: names[other] for number, other in same.items()}
    within = {slot.number: names[section.number] for section in pattern.sections() for slot in section.body.slots()}
    literals = _literals(pattern, set(names.values()))
    variables = [Variable(name, VariableType.LINE, (said,), 1.0, None, None) for said, name in literals.items()]
    for number in numbers:
        found = [each[number] for each in values if number in each]
        variables.append(
            Variable(
                name=names[number],
                type=types[number],
                examples=tuple(dict.fromkeys(value[:LONGEST_EXAMPLE] for value in found if value.strip()))[:MOST_EXAMPLES],
                share=sum(bool(value) for value in found) / max(1, len(values)),
                section=within.get(number),
                text=_text(sections[number].body, names, literals) if number in sections else None,
            )
        )
    base_prompt, user_prompt = _messages(_text(pattern, names, literals))
    if user_prompt == f"{{{{{INPUT}}}}}":  # what a template without one sends anyway
        user_prompt = None
    shots = _shots(base_prompt) or _shots(user_prompt or "")
    return Written(base_prompt, user_prompt, tuple(variables), shots, names, {name: said for said, name in literals.items()})


def _leads(pattern: Pattern, before: str) -> list[tuple[int, tuple[str, str]]]:
    """Slots and sections in the order of the text, each with the constant before it and the one behind."""
    found: list[tuple[int, tuple[str, str]]] = []
    for text, gap, behind in zip(pattern.texts, pattern.gaps, pattern.texts[1:], strict=False):
        before = text if text.strip() else before
        lead = before.rsplit(BOUNDARY, 1)[-1]
        if gap.slot is not None:
            found.append((gap.slot.number, (lead, behind)))
        for section in gap.sections:
            found.append((section.number, (section.marker, "")))
            found += _leads(section.body, "")
    return found


def _same(pattern: Pattern, values: Sequence[Mapping[int, str]]) -> dict[int, int]:
    """Slots that always have the value of an earlier one."""
    same: dict[int, int] = {}
    known: dict[tuple[str, ...], int] = {}
    for gap in pattern.gaps:
        if gap.slot is None or gap.sections:
            continue
        own = tuple(each.get(gap.slot.number, "") for each in values)
        if len(set(own)) > 1 and own in known:
            same[gap.slot.number] = known[own]
        known.setdefault(own, gap.slot.number)
    return same


def _alone(pattern: Pattern) -> int | None:
    """The slot that is the whole of the user's message, if there is one."""
    if not pattern.gaps or pattern.texts[-1] or not pattern.texts[-2].endswith(BOUNDARY):
        return None
    last = pattern.gaps[-1]
    return last.slot.number if last.slot is not None and not last.sections else None


def _first_name(section: Section, name: str) -> str:
    return "optional" if name == VariableType.SECTION.value else name


def _literals(pattern: Pattern, taken: set[str]) -> dict[str, str]:
    """Names for what looks like a placeholder and is constant text: it can only be rendered as a value."""
    texts = [*pattern.texts, *(text for section in pattern.sections() for text in section.body.texts)]
    found = dict.fromkeys(said for text in texts for said in _PLACEHOLDER.findall(text))
    names = unique([*taken, *("literal" for _ in found)])
    return dict(zip(found, names[len(taken) :], strict=True))


def _text(pattern: Pattern, names: Mapping[int, str], literals: Mapping[str, str]) -> str:
    def fixed(text: str) -> str:
        return _PLACEHOLDER.sub(lambda said: f"{{{{{literals[said.group()]}}}}}", text)

    text = fixed(pattern.texts[0])
    for gap, constant in zip(pattern.gaps, pattern.texts[1:], strict=True):
        for each in (gap.slot, *gap.sections):
            text += f"{{{{{names[each.number]}}}}}" if each is not None else ""
        text += fixed(constant)
    return text


def _messages(text: str) -> tuple[str, str | None]:
    """System and user message. Where there is but one message, its instructions come first, as far as they are constant."""
    if BOUNDARY in text:
        system, _, user = text.partition(BOUNDARY)
        return system, user
    border = text.rfind("\n\n", 0, max(0, text.find("{{")))
    return (text[:border], text[border + 2 :]) if border > 0 else (text, None)


def _shots(text: str) -> tuple[Shot, ...]:
    """Examples in a template's text: the same two labels in turns, without placeholders behind them."""
    labels = [match.group(1) for match in _LABEL.finditer(text)]
    for asked, answered in dict.fromkeys(pairwise(labels)):
        if asked == answered or labels.count(asked) < 2:
            continue
        one, other = re.escape(asked), re.escape(answered)
        turn = re.compile(
            rf"^{one}:[ \t]*\n?((?:(?!\n{other}:).){{1,{LONGEST_SHOT}}}?)\n{other}:[ \t]*\n?"
            rf"((?:(?!\n{one}:|\n\s*\n).){{1,{LONGEST_SHOT}}})",
            re.MULTILINE | re.DOTALL,
        )
        pairs = [match.group(1, 2) for match in turn.finditer(text)]
        shots = [Shot(given.strip(), made.strip()) for given, made in pairs if "{{" not in given + made and made.strip()]
        if len(shots) >= 2:
            return tuple(shots[:MOST_SHOTS])
    return ()
