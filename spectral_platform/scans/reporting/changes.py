"""The change that the finalist makes, for people: which words of which lines, and which parameters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile, zip_longest

import orjson

from spectral_platform.agents.diffs import ComponentDiff, DiffLine, diff_configs, unified_text
from spectral_platform.scans.run import Run
from spectral_platform.scans.verdicts.explaining import reasons_of


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of a changed text in three parts: what its counterpart has too, what is its own, and what both have again.

    A line that shares nothing with a counterpart is whole in the first part.
    """

    kind: str
    before: str
    own: str
    after: str


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part of the template with its changed places."""

    name: str
    places: tuple[tuple[ShownLine, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """What the finalist changes of the version that it started from."""

    agent: str
    base_version: int
    reason: str
    parts: tuple[ShownPart, ...]
    parameters: tuple[tuple[str, str, str], ...]
    """Name, old and new value."""
    unified: str


def describe_change(run: Run) -> ShownChange | None:
    """The finalist against what runs today; None without a finalist."""
    finalist = run.found.finalist
    if finalist is None:
        return None
    agent, after = finalist.agent, finalist.candidate.config
    before = run.material.configs[agent.agent_id]
    diff = diff_configs(before, after)
    return ShownChange(
        agent=agent.name,
        base_version=agent.base_version,
        reason=" ".join(reasons_of(run, finalist)),
        parts=tuple(_part(component) for component in diff.template),
        parameters=tuple((delta.parameter, _value(delta.before), _value(delta.after)) for delta in diff.parameters),
        unified=unified_text(before, after, before_name=f"version {agent.base_version}", after_name="finalist"),
    )


def _part(component: ComponentDiff) -> ShownPart:
    return ShownPart(component.component, tuple(tuple(show_lines(hunk.lines)) for hunk in component.hunks))


def show_lines(of_hunk: Sequence[DiffLine]) -> Iterator[ShownLine]:
    """The lines of a hunk; lines that were taken out and those put in their place are told apart word by word."""
    for is_context, group in groupby(of_hunk, lambda line: line.kind == "context"):
        lines = tuple(group)
        if is_context:
            yield from (ShownLine(line.kind, line.text, "", "") for line in lines)
            continue
        removed = [line for line in lines if line.kind == "removed"]
        added = [line for line in lines if line.kind == "added"]
        pairs = list(zip_longest(removed, added))
        yield from (_against(line, other) for line, other in pairs if line is not None)
        yield from (_against(line, other) for other, line in pairs if line is not None)


def _against(line: DiffLine, other: DiffLine | None) -> ShownLine:
    words, others = line.text.split(" "), other.text.split(" ") if other else []
    start = _common(words, others)
    end = _common(words[start:][::-1], others[start:][::-1])
    own = words[start : len(words) - end]
    before, after = words[:start], words[len(words) - end :]
    if not before and not after:
        return ShownLine(line.kind, line.text, "", "")
    return ShownLine(
        line.kind,
        " ".join(before) + (" " if before and (own or after) else ""),
        " ".join(own),
        (" " if own and after else "") + " ".join(after),
    )


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """With how many equal words both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _value(value: object) -> str:
    return "absent" if value is None else orjson.dumps(value).decode()
