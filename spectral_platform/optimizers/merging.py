"""Merging: of two candidates that help on different cases, one config that has what both changed."""

from collections.abc import Mapping
from itertools import combinations

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.optimizers.edits import TEXTS, Component, changed_components, component_text
from spectral_platform.optimizers.pareto import frontier_weights

LEAST_COMPLEMENT = 0.01
"""What the better of two for each case must promise, on average, over the better of the two for all."""


def complementary_pairs(scores: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    """Pairs of undominated candidates, those that could add most to each other first; none that could add next to nothing.

    What a pair promises is the mean of the better score of each case, less the better of the two means.
    """
    shared = set.intersection(*(set(row) for row in scores.values())) if scores else set()
    if not shared:
        return []
    promised: list[tuple[float, tuple[str, str]]] = []
    for first, second in combinations(sorted(frontier_weights(scores)), 2):
        better = sum(max(scores[first][case], scores[second][case]) for case in shared)
        best = max(sum(scores[name][case] for case in shared) for name in (first, second))
        promised.append(((better - best) / len(shared), (first, second)))
    return [pair for promise, pair in sorted(promised, key=lambda item: (-item[0], item[1])) if promise >= LEAST_COMPLEMENT]


def merged(base: AgentConfig, first: AgentConfig, second: AgentConfig) -> AgentConfig | None:
    """Both changes of the base in one config; None where they cannot stand together or one holds the other already.

    Components are taken from whoever changed them. Where both changed a prompt, they merge if both only added lines to it.
    """
    changed = changed_components(base, first), changed_components(base, second)
    template, parameters = first.template, first.hyperparameters
    for component in sorted(changed[1]):
        if component not in changed[0]:
            if component is Component.HYPERPARAMETERS:
                parameters = second.hyperparameters
            else:
                field = _FIELDS[component]
                template = template.model_copy(update={field: getattr(second.template, field)})
        elif component in TEXTS and component is not Component.TOOL_DESCRIPTIONS:
            text = _both(*(component_text(config, component) for config in (base, first, second)))
            if text is None:
                return None
            template = template.model_copy(update={_FIELDS[component]: text})
        else:
            return None
    result = first.model_copy(update={"template": template, "hyperparameters": parameters})
    return None if result in (first, second) else result


_FIELDS = {
    Component.BASE_PROMPT: "base_prompt",
    Component.USER_PROMPT: "user_prompt",
    Component.TOOL_DESCRIPTIONS: "tools",
    Component.EXAMPLES: "examples",
    Component.CONTEXT_SELECTION: "context_selection",
}


def _both(base: str, first: str, second: str) -> str | None:
    """The first text with the lines that only the second added; None when either did more than add lines."""
    lines, ours, theirs = (text.splitlines() for text in (base, first, second))
    if not _is_within(lines, ours) or not _is_within(lines, theirs):
        return None
    added = [line for line in theirs if line not in ours]
    return "\n".join((*ours, *added))


def _is_within(lines: list[str], longer: list[str]) -> bool:
    """Whether all the lines stand in the longer text, in their order."""
    rest = iter(longer)
    return all(line in rest for line in lines)
