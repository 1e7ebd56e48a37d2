"""Merging: candidates that help on different training cases, in one."""

from spectral_platform.optimizers.edits import Candidate, Component, Strategy, changed_components, config_key, config_problems
from spectral_platform.optimizers.merging import complementary_pairs, merged
from spectral_platform.scans.cases import Case
from spectral_platform.scans.quoting import MINIBATCH, MOST_MERGES
from spectral_platform.scans.searching.search import Search


async def merge_complements(search: Search, slots: int) -> int:
    """Merge pairs of the front, the most promising first, and let in what beats both on the cases where they differ; how many."""
    admitted = tried = 0
    for first, second in complementary_pairs(search.pool_scores()):
        if admitted >= slots or tried >= MOST_MERGES:
            break
        candidate = _merge(search, first, second)
        if candidate is None or candidate.key in search.configs:
            continue
        tried += 1
        admitted += await search.admit(candidate, _telling(search, first, second), against=(first, second))
    return admitted


def _merge(search: Search, first: str, second: str) -> Candidate | None:
    config = merged(search.base, search.configs[first], search.configs[second])
    if config is None or config_problems(search.base, config, train_answers=search.answers):
        return None
    parents = search.contender(first), search.contender(second)
    if parents[0] is None or parents[1] is None:
        return None
    changed = changed_components(search.configs[first], config)
    return Candidate(
        key=config_key(config),
        parent_key=first,
        strategy=Strategy.MERGE,
        component=min(changed) if changed else Component.BASE_PROMPT,
        config=config,
        rationale=(
            f"Candidates {parents[0].position} and {parents[1].position} help on different cases; this one has what both changed."
        ),
        cluster_signature=parents[1].candidate.cluster_signature,
    )


def _telling(search: Search, first: str, second: str) -> tuple[Case, ...]:
    """The probe cases on which the two differ most, as many where the one is better as where the other is."""
    scores = search.pool_scores()
    margins = {case.key: scores[first][case.key] - scores[second][case.key] for case in search.probe}
    ranked = sorted(search.probe, key=lambda case: margins[case.key])
    half = MINIBATCH // 2
    return (*ranked[:half], *ranked[-half:])
