"""Which agent needs which: cycles and the order in which agents can run."""

from collections.abc import Collection, Hashable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

N = TypeVar("N", bound=Hashable)


def topological_order(dependencies: Mapping[N, Collection[N]]) -> list[N]:
    """The nodes with what each needs before it; among equals in the order of the mapping. There must be no cycle."""
    return list(TopologicalSorter(dependencies).static_order())


def find_cycle(dependencies: Mapping[N, Collection[N]]) -> list[N] | None:
    """A circle of nodes each of which needs the next, beginning and ending with the same one; None where there is none."""
    try:
        TopologicalSorter(dependencies).prepare()
    except CycleError as error:
        # The library lists a node before those that need it.
        circle: list[N] = error.args[1]
        return circle[::-1]
    return None
