"""The race: all candidates on the same dev cases, block by block, until one is left that is the finalist.

After each block a candidate is out when it harms, when it is surely no better than the baseline, or when it is surely behind the
leader (the 80 % upper bound of the paired difference is below 0). Those that are left always have the same evidence, so a race
that the budget ends early can still be decided.
"""

from collections.abc import Sequence
from statistics import fmean

from spectral_platform.llm.calling import settle
from spectral_platform.scans.cases import interleave
from spectral_platform.scans.pairing import Differences, Pairing, pair_composites
from spectral_platform.scans.run import Contender, Run, emit_dropped
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import TrialPlan
from spectral_platform.scans.verdicts.limiting import check_figures
from spectral_platform.statistics.agreement import mcnemar_exact
from spectral_platform.statistics.bounds import fall_p_value, gaffke_lower_bound
from spectral_platform.worlds.splits import Split

BLOCK = 10
RACE_ALPHA = 0.20
HARM_CASES = 20
HARMFUL_MEAN = -0.05
FINALIST = "finalist"


class Race:
    """The candidates of a scan on dev cases, in blocks, against the baseline and the leader."""

    def __init__(self, run: Run) -> None:
        self.run = run
        book = run.material.book
        self.cases = list(interleave(book.select(Split.DEV, "sample"), book.select(Split.DEV, "stimulus")))
        self._pairings: dict[int, Pairing] = {}

    @property
    def alive(self) -> list[Contender]:
        """Who is still in the race."""
        return [contender for contender in self.run.found.contenders if contender.is_alive]

    async def run_blocks(self) -> None:
        """Run block after block, side by side, and take out after each who need not run the next one."""
        for start in range(0, len(self.cases), BLOCK):
            racing = self.alive
            block = self.cases[start : start + BLOCK]
            plans = [
                TrialPlan(phase=Phase.EVALUATE, candidate=contender.candidate.key[:12], agent_id=contender.agent.agent_id)
                for contender in racing
            ]
            runs = [
                self.run.bench.run(contender.candidate.config, block, plan) for contender, plan in zip(racing, plans, strict=True)
            ]
            for contender, trials in zip(racing, await settle(runs), strict=True):
                contender.dev_trials += trials
                self._pairing(contender).add(self.run.baseline_trials(contender.agent, tuple(block)), trials)
            self._take_out(racing)

    def choose(self) -> None:
        """Freeze the finalist: the best lower bound on dev. One candidate, before anything of the holdout is run."""
        for contender in self.alive:
            if len(contender.dev_trials) < min(HARM_CASES, len(self.cases)):
                contender.drop("out_of_budget", f"The budget was spent when it had run on {len(contender.dev_trials)} dev cases.")
            else:
                self._check_gain(contender)
            if not contender.is_alive:
                emit_dropped(self.run, contender)
        through = self.alive
        best = max(through, key=lambda contender: (self._lower(contender), -contender.position), default=None)
        for contender in through:
            if contender is not best:
                contender.drop("outranked", f"Candidate {best.position if best else 0} has the better lower bound on dev.")
                emit_dropped(self.run, contender)
        if best is None:
            self.run.emit("no_finalist", "No candidate came through the race on dev cases.")
            return
        best.drop(FINALIST, f"Best lower bound on dev: {self._lower(best):+.3f}.")
        self.run.found.finalist = best
        self.run.emit(
            "finalist_frozen",
            f"Candidate {best.position} is the finalist; from here on it cannot change.",
            candidate=best.candidate.key,
            config_sha256=best.candidate.key,
            dev=best.dev,
        )

    def _take_out(self, racing: Sequence[Contender]) -> None:
        for contender in racing:
            found = self._pairing(contender).differences()
            contender.dev = _summary(found)
            _check_harm(contender, found.at_best)
        for contender in racing:
            if contender.is_alive:
                self._check_leader(contender)
        for contender in racing:
            if not contender.is_alive:
                emit_dropped(self.run, contender)

    def _pairing(self, contender: Contender) -> Pairing:
        references = self.run.found.references[contender.agent.agent_id]
        return self._pairings.setdefault(contender.position, Pairing(self.run.standard, references))

    def _check_leader(self, contender: Contender) -> None:
        rivals = [other for other in self.alive if other.agent == contender.agent]
        leader = max(rivals, key=lambda other: (self._lower(other), -other.position))
        if leader is contender:
            return
        references = self.run.found.references[contender.agent.agent_id]
        against = pair_composites(leader.dev_trials, contender.dev_trials, self.run.standard, references)
        if _is_below(against):
            contender.drop(
                "outranked", f"Candidate {leader.position} is better by {-fmean(against):.3f} on {len(against)} dev cases."
            )

    def _check_gain(self, contender: Contender) -> None:
        """What is asked of a candidate when the race is over."""
        pairs = self._pairing(contender).pairs()
        if not pairs.composites:
            contender.drop("unmeasured", "On no dev case there is a composite to compare.")
            return
        at_worst, at_best = fmean(pairs.composite), fmean(pairs.at_best.composite)
        if at_best <= 0:
            contender.drop("no_gain", "On the dev cases the composite does not rise.")
            return
        if at_worst <= 0:
            contender.drop(
                "unmeasured", f"With what could not be scored the composite changes by {at_worst:+.3f} to {at_best:+.3f}."
            )
            return
        checks = check_figures(pairs, self.run.standard)
        if broken := next((check.sentence for check in checks if check.is_broken), None):
            contender.drop("breaks_constraint", broken)

    def _lower(self, contender: Contender) -> float:
        return float(contender.dev["lower_bound"])


def _summary(found: Differences) -> dict[str, float | int | None]:
    return {
        "cases": found.cases,
        "mean": fmean(found.composite) if found.composites else None,
        "lower_bound": gaffke_lower_bound(found.composite, RACE_ALPHA),
        "authority_a": fmean(found.authority_a) if found.authority_a else None,
        "authority_b": fmean(found.authority_b) if found.authority_b else None,
        "composite": fmean(after for _, after in found.composites) if found.composites else None,
    }


def _check_harm(contender: Contender, known: Differences) -> None:
    """Whether it surely harms, or surely gains nothing, by what is known of it."""
    harm = _harm(known)
    if harm is not None:
        contender.drop("harms_authority_a", harm)
    elif _is_below(known.composite):
        contender.drop("no_gain", f"On {known.cases} dev cases the composite changes by {fmean(known.composite):+.3f}.")


def _harm(known: Differences) -> str | None:
    if len(known.authority_a) >= HARM_CASES:
        mean = fmean(known.authority_a)
        if mean < HARMFUL_MEAN or _is_below(known.authority_a):
            return f"On {len(known.authority_a)} dev cases authority A changes by {mean:+.3f}."
    worsened, mended = known.critical_worsened, known.critical_mended
    if worsened and mcnemar_exact(worsened, mended) < RACE_ALPHA:
        return f"It newly breaks critical rules on {worsened} dev cases and mends {mended}."
    return None


def _is_below(differences: Sequence[float]) -> bool:
    """Whether the differences surely have a mean below 0."""
    return fall_p_value(differences) < RACE_ALPHA
