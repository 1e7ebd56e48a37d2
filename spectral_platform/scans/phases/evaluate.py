"""Evaluate: race the candidates on dev cases, freeze one finalist, and only then open the sealed holdout for it."""

from collections.abc import Sequence
from statistics import fmean

from spectral_platform.core.randomness import derive
from spectral_platform.evaluations.limits import check_limits
from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.scans.cases import interleave
from spectral_platform.scans.human_check import check_with_people
from spectral_platform.scans.pairing import Pairs, pair
from spectral_platform.scans.phases.generate import emit_dropped
from spectral_platform.scans.run import Contender, Run
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import OutOfTime, Trial, TrialPlan
from spectral_platform.scans.unsealing import judge_on_holdout, save_candidates, unseal
from spectral_platform.statistics.agreement import mcnemar_exact
from spectral_platform.statistics.bounds import gaffke_lower_bound, gaffke_upper_bound
from spectral_platform.worlds.splits import Split

BLOCK = 10
RACE_ALPHA = 0.20
RACE_DRAWS = 4_000
HARM_CASES = 20
HARMFUL_MEAN = -0.05
FINALIST = "finalist"


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
        for contender in run.found.contenders:
            if contender.is_alive:
                await track.enter(contender)
    except (BudgetExhausted, OutOfTime):
        run.found.is_cut_short = True
        for contender in run.found.contenders:
            if contender.is_alive and len(contender.dev_trials) < len(track.cases):
                contender.drop("out_of_budget", "The budget was spent before it had run on all dev cases.")
                await emit_dropped(run, contender)
    await track.choose()


class Race:
    """The candidates of a scan on dev cases, in blocks, against the baseline and the leader."""

    def __init__(self, run: Run) -> None:
        self.run = run
        book = run.material.book
        self.cases = list(interleave(book.select(Split.DEV, "sample"), book.select(Split.DEV, "stimulus")))
        self.leader: Contender | None = None

    async def enter(self, contender: Contender) -> None:
        """Run one candidate block by block until it is out or through."""
        plan = TrialPlan(phase=Phase.EVALUATE, candidate=contender.candidate.key[:12])
        for start in range(0, len(self.cases), BLOCK):
            block = self.cases[start : start + BLOCK]
            contender.dev_trials += await self.run.bench.run(contender.candidate.config, block, plan)
            if self._is_out(contender, is_last=start + BLOCK >= len(self.cases)):
                await emit_dropped(self.run, contender)
                return
        if self.leader is None or self._lower(contender) > self._lower(self.leader):
            self.leader = contender

    async def choose(self) -> None:
        """Freeze the finalist: the best lower bound on dev. One candidate, before anything of the holdout is run."""
        through = [contender for contender in self.run.found.contenders if contender.is_alive and contender.dev]
        best = max(through, key=lambda contender: (self._lower(contender), -contender.position), default=None)
        for contender in through:
            if contender is not best:
                contender.drop("outranked", f"Candidate {best.position if best else 0} has the better lower bound on dev.")
                await emit_dropped(self.run, contender)
        if best is None:
            await self.run.emit("no_finalist", "No candidate came through the race on dev cases.")
            return
        best.drop(FINALIST, f"Best lower bound on dev: {self._lower(best):+.3f}.")
        self.run.found.finalist = best
        await self.run.emit(
            "finalist_frozen",
            f"Candidate {best.position} is the finalist; from here on it cannot change.",
            candidate=best.candidate.key,
            config_sha256=best.candidate.key,
            dev=best.dev,
        )

    def _is_out(self, contender: Contender, *, is_last: bool) -> bool:
        cases = self.cases[: len(contender.dev_trials)]
        pairs = self._pairs(self.run.baseline_trials(contender.agent, tuple(cases)), contender)
        harm = self._harm(contender, pairs)
        if harm is not None:
            contender.drop("harms_authority_a", harm)
        elif pairs.composite and self._upper(contender, "gain", pairs.composite) < 0:
            contender.drop("no_gain", f"On {pairs.cases} dev cases the composite changes by {fmean(pairs.composite):+.3f}.")
        elif is_last and (not pairs.composite or fmean(pairs.composite) <= 0):
            contender.drop("no_gain", "On the dev cases the composite does not rise.")
        elif (broken := self._broken_limit(pairs)) is not None and is_last:
            contender.drop("breaks_constraint", broken)
        elif (leader := self.leader) is not None and leader.agent == contender.agent:
            against = self._pairs(leader.dev_trials[: len(cases)], contender)
            if against.composite and self._upper(contender, "leader", against.composite) < 0:
                contender.drop(
                    "outranked",
                    f"Candidate {leader.position} is better by {-fmean(against.composite):.3f} on {against.cases} dev cases.",
                )
        contender.dev = self._summary(contender, pairs)
        return not contender.is_alive

    def _harm(self, contender: Contender, pairs: Pairs) -> str | None:
        if len(pairs.authority_a) >= HARM_CASES:
            mean = fmean(pairs.authority_a)
            if mean < HARMFUL_MEAN or self._upper(contender, "authority_a", pairs.authority_a) < 0:
                return f"On {len(pairs.authority_a)} dev cases authority A changes by {mean:+.3f}."
        if pairs.critical_worsened and mcnemar_exact(pairs.critical_worsened, pairs.critical_mended) < RACE_ALPHA:
            return f"It newly breaks critical rules on {pairs.critical_worsened} dev cases and mends {pairs.critical_mended}."
        return None

    def _broken_limit(self, pairs: Pairs) -> str | None:
        checks = check_limits(self.run.standard.limits, before=pairs.baseline_means, after=pairs.candidate_means)
        return next((check.sentence for check in checks if check.is_broken), None)

    def _pairs(self, other: Sequence[Trial], contender: Contender) -> Pairs:
        return pair(other, contender.dev_trials, self.run.standard, self.run.found.references[contender.agent.agent_id])

    def _lower(self, contender: Contender) -> float:
        return float(contender.dev["lower_bound"])

    def _upper(self, contender: Contender, name: str, differences: Sequence[float]) -> float:
        seed = derive(self.run.seed, "race", name, contender.candidate.key)
        return gaffke_upper_bound(differences, RACE_ALPHA, seed=seed, draws=RACE_DRAWS)

    def _summary(self, contender: Contender, pairs: Pairs) -> dict[str, float | int | None]:
        seed = derive(self.run.seed, "race", "lower", contender.candidate.key)
        return {
            "cases": pairs.cases,
            "mean": fmean(pairs.composite) if pairs.composite else None,
            "lower_bound": gaffke_lower_bound(pairs.composite, RACE_ALPHA, seed=seed, draws=RACE_DRAWS),
            "authority_a": fmean(pairs.authority_a) if pairs.authority_a else None,
            "authority_b": fmean(pairs.authority_b) if pairs.authority_b else None,
            "composite": pairs.candidate_means.get("composite"),
        }
