"""Examples: training answers that met everything, shown to the agent with each request."""

from spectral_platform.optimizers.edits import config_problems
from spectral_platform.optimizers.few_shot import propose_examples
from spectral_platform.scans.searching.search import Search


async def show_examples(search: Search, slots: int) -> int:
    """Let candidates into the race that show good answers; how many. Of near-duplicates one alone may be shown."""
    by_group = {
        trial.case.content_group: trial
        for trial in search.trials[search.base_key].values()
        if trial.case.kind == "sample" and trial.case.key in {case.key for case in search.train}
    }
    shown = [search.shown(trial) for trial in by_group.values()]
    admitted = 0
    for candidate in propose_examples(search.base, shown, seed=search.run.seed, sets=slots):
        if problems := config_problems(search.base, candidate.config):
            search.refuse(candidate, problems)
        else:
            admitted += await search.admit(candidate)
    return admitted
