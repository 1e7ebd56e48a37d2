"""Generate: propose changes from the failures of training cases, and keep those that help where they were made.

Arms and examples come first: what they leave of the places goes to the texts, and the last step may merge them with a text.
Nothing here has seen a dev or holdout case.
"""

from math import ceil

from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.optimizers.edits import config_key
from spectral_platform.optimizers.reflection import TriedEdit
from spectral_platform.scans.conversing import OutOfTime
from spectral_platform.scans.queries import list_tried_edits
from spectral_platform.scans.run import Run
from spectral_platform.scans.searching.arms import race_arms
from spectral_platform.scans.searching.examples import show_examples
from spectral_platform.scans.searching.gepa import search_gepa
from spectral_platform.scans.searching.merging import merge_complements
from spectral_platform.scans.searching.search import Search
from spectral_platform.scans.searching.texts import search_texts
from spectral_platform.scans.settings import TEXT_STRATEGIES, PinnedAgent, SearchStrategy

NO_HEADROOM_SHARE = 0.25
"""Of the places, where even a prompt that asks for everything gained nothing: no change is then what to expect."""
MERGES_FROM = 4
"""With so many places one is kept for a merge."""


async def generate(run: Run) -> None:
    """Fill in the contenders of every agent, in the order in which they were proposed."""
    agents = run.settings.agents
    most = min(run.settings.max_candidates, max(1, run.readiness.quote.max_candidates))
    for index, agent in enumerate(agents):
        limit = most // len(agents) + (index < most % len(agents))
        if limit:
            await _search(run, agent, limit)
    alive = sum(contender.is_alive for contender in run.found.contenders)
    run.emit(
        "candidates_generated",
        f"{len(run.found.contenders)} candidates were proposed; {alive} of them go on to the race.",
        candidates=len(run.found.contenders),
        alive=alive,
        proposer_errors=run.found.proposer_errors,
    )


async def _search(run: Run, agent: PinnedAgent, limit: int) -> None:
    search = Search(run, agent, await _history(run, agent))
    try:
        await _find(search, limit)
    except (BudgetExhausted, OutOfTime) as spent:
        run.found.is_cut_short = True
        reason = "time" if isinstance(spent, OutOfTime) else "budget"
        run.emit(
            "search_cut_short",
            f"The {reason} for searching is spent; what is left is kept for the holdout.",
            subject=str(agent.agent_id),
            level="warning",
        )


async def _history(run: Run, agent: PinnedAgent) -> list[TriedEdit]:
    """What earlier scans tried; nothing where a seed was asked for, so that it repeats the scan."""
    if run.settings.is_seed_given:
        return []
    base_key = config_key(run.material.configs[agent.agent_id])
    async with run.transaction() as session:
        return await list_tried_edits(session, run.tenant.workspace_id, agent.agent_id, base_key=base_key)


async def _find(search: Search, limit: int) -> None:
    headroom = search.run.found.headroom.get(search.agent.agent_id)
    if headroom is not None and headroom.is_negative:
        limit = ceil(limit * NO_HEADROOM_SHARE)
    strategies = search.run.settings.strategies
    writes = not TEXT_STRATEGIES.isdisjoint(strategies)
    ready, admitted = limit // 2 if writes else limit, 0
    if SearchStrategy.ARMS in strategies and ready:
        admitted += await race_arms(search, ceil(ready / 2) if SearchStrategy.FEW_SHOT in strategies else ready)
    if SearchStrategy.FEW_SHOT in strategies and ready > admitted:
        admitted += await show_examples(search, ready - admitted)
    if writes:
        places = limit - admitted - (limit >= MERGES_FROM)
        if SearchStrategy.GEPA in strategies:
            is_alone = TEXT_STRATEGIES.isdisjoint(set(strategies) - {SearchStrategy.GEPA})
            await search_gepa(search, places if is_alone else places // 2)
            places = 0 if is_alone else places - places // 2
        await search_texts(search, places)
        racing = sum(entry.is_alive and entry.agent == search.agent for entry in search.run.found.contenders)
        await merge_complements(search, limit - racing)
