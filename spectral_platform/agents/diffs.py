"""What differs between two configs: hunks of text for each part of the template, old and new value for each parameter."""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

import orjson
from pydantic import Field, JsonValue

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.core.values import Value

CONTEXT_LINES = 3
Opcode = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]
MOST_PLACES = 16_000_000
"""Of so many pairs of lines, equal or not, the differing middles of two texts may have."""
MOST_EQUAL = 1_000_000
"""And so many pairs of equal lines. Beyond either the whole middle counts as replaced: comparing takes time with both."""


class DiffLine(Value):
    """One line of a hunk."""

    kind: Literal["context", "removed", "added"] = Field(description="Whether both texts have it, or only one.")
    text: str = Field(description="The line, without its end.")


class Hunk(Value):
    """Changed lines with the lines around them; lines are counted from 1."""

    from_line: int = Field(description="Where it begins in the old text.")
    from_count: int = Field(description="How many lines of the old text it shows.")
    to_line: int = Field(description="Where it begins in the new text.")
    to_count: int = Field(description="How many lines of the new text it shows.")
    lines: tuple[DiffLine, ...] = Field(description="The lines, in order.")


class ComponentDiff(Value):
    """What changed in one part of the template; parts that are no text are compared as indented JSON."""

    component: str = Field(description="The part of the template, such as `base_prompt`.")
    hunks: tuple[Hunk, ...] = Field(description="The changed places, in order.")


class ParameterDelta(Value):
    """A parameter that changed; null stands for absent."""

    parameter: str = Field(description="Its name, such as `temperature` or `execution.timeout_ms`.")
    before: JsonValue = Field(description="The old value; null = absent.")
    after: JsonValue = Field(description="The new value; null = absent.")


class ConfigDiff(Value):
    """Everything that differs between two configs; equal ones have an empty diff."""

    template: tuple[ComponentDiff, ...] = Field(description="Changed parts of the template.")
    parameters: tuple[ParameterDelta, ...] = Field(description="Changed hyperparameters and execution settings.")


def diff_configs(before: AgentConfig, after: AgentConfig) -> ConfigDiff:
    """What one must change in ``before`` to get ``after``."""
    components = tuple(
        ComponentDiff(component=component, hunks=tuple(_hunks(old, new)))
        for component, old, new in _components(before, after)
        if old != new
    )
    old_values, new_values = _parameters(before), _parameters(after)
    deltas = tuple(
        ParameterDelta(parameter=name, before=old_values.get(name), after=new_values.get(name))
        for name in dict.fromkeys((*old_values, *new_values))
        if old_values.get(name) != new_values.get(name)
    )
    return ConfigDiff(template=components, parameters=deltas)


def unified_text(before: AgentConfig, after: AgentConfig, *, before_name: str, after_name: str) -> str:
    """The same as one unified diff, a file for each part of the template and one for the parameters; empty for equal configs."""
    parts = [(f"template/{component}", old, new) for component, old, new in _components(before, after)]
    parts.append(("parameters", _parameter_lines(before), _parameter_lines(after)))
    lines = [
        line
        for part, old, new in parts
        if old != new
        for line in (f"--- {before_name}/{part}", f"+++ {after_name}/{part}", *_unified_lines(_hunks(old, new)))
    ]
    return "".join(line + "\n" for line in lines)


def _unified_lines(hunks: Iterator[Hunk]) -> Iterator[str]:
    """Hunks as GNU diff writes them: a count of 1 is left out, and where there is no line it tells the one before."""
    marks = {"context": " ", "removed": "-", "added": "+"}
    for hunk in hunks:
        places = ((hunk.from_line, hunk.from_count), (hunk.to_line, hunk.to_count))
        old, new = (str(line) if count == 1 else f"{line if count else line - 1},{count}" for line, count in places)
        yield f"@@ -{old} +{new} @@"
        yield from (marks[line.kind] + line.text for line in hunk.lines)


def _components(before: AgentConfig, after: AgentConfig) -> Iterator[tuple[str, list[str], list[str]]]:
    old, new = before.template.model_dump(mode="json"), after.template.model_dump(mode="json")
    for component in old:
        yield component, _as_lines(old[component]), _as_lines(new[component])


def _as_lines(value: Any) -> list[str]:
    """Text by its lines; anything else by those of its indented JSON; nothing at all as no lines."""
    if isinstance(value, str):
        return value.split("\n") if value else []  # an end of line at the end is a difference, too
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode().splitlines() if value else []


def _parameter_lines(config: AgentConfig) -> list[str]:
    return [f"{name}: {orjson.dumps(value).decode()}" for name, value in _parameters(config).items()]


def _parameters(config: AgentConfig) -> dict[str, JsonValue]:
    """Hyperparameters and execution settings that are set, by name, in one level."""
    parameters = config.hyperparameters.model_dump(mode="json", exclude={"extra"})
    if config.execution is not None:
        parameters |= {f"execution.{name}": value for name, value in config.execution.model_dump(mode="json").items()}
    extra = {f"extra.{name}": value for name, value in config.hyperparameters.extra.items()}
    return {name: value for name, value in parameters.items() if value not in (None, [])} | extra


class _Lines(SequenceMatcher[str]):
    """The lines of two texts, compared in bounded time: only what lies between their common ends, and that not at any length."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, old, new, autojunk=False)
        self._old, self._new = old, new

    def get_opcodes(self) -> list[Opcode]:
        """What turns the old lines into the new ones, as the base class has it."""
        old, new = self._old, self._new
        start = _common_start(old, new)
        end = _common_start(old[start:][::-1], new[start:][::-1])
        old_end, new_end = len(old) - end, len(new) - end
        codes: list[Opcode] = [("equal", 0, start, 0, start)] if start else []
        middle = _compare(old[start:old_end], new[start:new_end])
        codes += [(tag, i + start, j + start, k + start, m + start) for tag, i, j, k, m in middle]
        return codes + ([("equal", old_end, len(old), new_end, len(new))] if end else [])


def _common_start(one: Sequence[str], other: Sequence[str]) -> int:
    """With how many equal lines both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (line, its) in pairs if line != its), min(len(one), len(other)))


def _compare(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """What turns one into the other; a whole replacement where finding out more would take long."""
    before, after = Counter(old), Counter(new)
    if len(old) * len(new) <= MOST_PLACES and sum(count * after[line] for line, count in before.items()) <= MOST_EQUAL:
        return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [("replace", 0, len(old), 0, len(new))]


def _hunks(old: list[str], new: list[str]) -> Iterator[Hunk]:
    for group in _Lines(old, new).get_grouped_opcodes(CONTEXT_LINES):
        lines: list[DiffLine] = []
        for tag, from_start, from_end, to_start, to_end in group:
            if tag == "equal":
                lines += [DiffLine(kind="context", text=text) for text in old[from_start:from_end]]
                continue
            lines += [DiffLine(kind="removed", text=text) for text in old[from_start:from_end]]
            lines += [DiffLine(kind="added", text=text) for text in new[to_start:to_end]]
        first, last = group[0], group[-1]
        yield Hunk(
            from_line=first[1] + 1,
            from_count=last[2] - first[1],
            to_line=first[3] + 1,
            to_count=last[4] - first[3],
            lines=tuple(lines),
        )
