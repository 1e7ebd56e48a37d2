"""Tools as a config declares them: what is sent to the model, and what is said of them for Spectral alone.

``annotations`` beside a tool are those of the Model Context Protocol; of them `readOnlyHint` counts. No model is told of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

ANNOTATIONS = "annotations"
READ_ONLY = "readOnlyHint"


def offered(tools: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The tools as the model's API takes them."""
    return tuple({name: _bare(value) for name, value in tool.items() if name != ANNOTATIONS} for tool in tools)


def read_only(tools: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The names of the tools that change nothing, as their annotations say; one that says nothing may change something."""
    return frozenset(name for name, annotations in map(_annotated, _declared(tools)) if annotations.get(READ_ONLY) is True)


def _declared(tools: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for tool in tools:
        function = tool.get("function")
        yield tool, function if isinstance(function, Mapping) else tool


def _annotated(declared: tuple[Mapping[str, Any], Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
    tool, function = declared
    annotations = function.get(ANNOTATIONS) or tool.get(ANNOTATIONS)
    return str(function.get("name")), annotations if isinstance(annotations, Mapping) else {}


def _bare(value: Any) -> Any:
    return {name: part for name, part in value.items() if name != ANNOTATIONS} if isinstance(value, Mapping) else value
