"""Evaluate: race the candidates on dev cases, freeze one finalist, and only then open the sealed holdout for it."""

from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.scans.conversing import OutOfTime
from spectral_platform.scans.racing import Race
from spectral_platform.scans.run import Run
from spectral_platform.scans.unsealing import judge_on_holdout, save_candidates, unseal
from spectral_platform.scans.verdicts.human_check import check_with_people


async def evaluate(run: Run) -> None:
    """Fill in what became of every contender, the finalist, and its pairs on the holdout."""
    await race(run)
    finalist = run.found.finalist
    if finalist is not None:
        await check_with_people(run, finalist)
    await save_candidates(run)
    if finalist is not None:
        await judge_on_holdout(run, finalist, await unseal(run))


async def race(run: Run) -> None:
    """Compare the contenders on dev cases and freeze the finalist, if one is left."""
    track = Race(run)
    try:
        await track.run_blocks()
    except (BudgetExhausted, OutOfTime):
        run.found.is_cut_short = True
    track.choose()
