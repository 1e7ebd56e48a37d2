"""What a scan takes at most, by arithmetic alone: calls, money and the candidates that a budget buys."""

from decimal import Decimal
from math import ceil
from statistics import NormalDist
from typing import Literal

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.optimizers.halving import planned_runs
from spectral_platform.statistics.power import cases_needed, minimum_detectable_effect
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyMode, Rigor

NOISE_CASES = 15
CANARY_CALLS = 12
TRAIN_STIMULI = 15
DEV_STIMULI = 45
HOLDOUT_STIMULI = 60
MINIBATCH = 6
FAILING_IN_MINIBATCH = 4
PROPOSALS_PER_CANDIDATE = 1.5
MOST_MERGES = 2
PROBE_CASES = 24
SCARCE_HOLDOUT = 60
SCARCE_REPEATS = 3
SLACK = 1.1
HEADROOM_CASES = 20
HOLDOUT_SHARE = 0.4
HELD_SHARE = Decimal("0.45")
"""What is kept back for the holdout at least, of the money."""
FIRST_TARGET, NEXT_TARGET, LEAST_TARGET = 0.10, 0.75, 0.02
"""Which effect further samples are reckoned for: ten points first, then three quarters of what the cases show already."""
USUAL_RIGOR = RIGOR[AutonomyMode.MANUAL]
"""What a verdict that people decide on is held to."""


class Noise(Value):
    """How much the unchanged agent differs from itself, measured by running cases twice."""

    cases: int = Field(description="Cases that were run twice.")
    disagreement: float = Field(description="Share of them whose scores differ by half a point or more.")
    icc: float = Field(description="Share of the variance that is the cases' own.")
    run_variance: float = Field(description="Variance between runs of one case.")

    def disagreement_of(self, repeats: int) -> float:
        """The share of cases on which means of so many runs differ by half a point or more, for runs that spread normally.

        It is ``disagreement`` for single runs, and never more: repeats average the noise out.
        """
        if repeats == 1 or not self.run_variance:
            return self.disagreement
        spread = (2 * self.run_variance / repeats) ** 0.5
        return min(self.disagreement, 2 * NormalDist(sigma=spread).cdf(-0.5))


class Quote(Value):
    """What the budget buys."""

    max_candidates: int = Field(description="Candidates that the budget covers, at most as many as asked for.")
    max_usd: str | None = Field(description="Estimated cost of all these calls in US dollars; null when a price is unknown.")
    model_calls: int = Field(
        description="Model calls that it takes at most. Usually it takes half of that or more: what is no good is dropped "
        "early, and a clear result needs fewer sealed cases. Scoring the window's traces comes on top."
    )
    by_phase: dict[str, int] = Field(default_factory=dict, description="The calls of each phase.", examples=[{"observe": 312}])


class MoreSamples(Value):
    """What further samples would make visible."""

    samples: int = Field(description="So many more published samples, of which the holdout gets its share.", examples=[100])
    minimum_detectable_effect: float = Field(description="The least improvement that could be shown then.", examples=[0.11])


class Readiness(Value):
    """Whether a scan can show anything, known before it starts and made exact by its first phase."""

    mode: Literal["full", "synthetic_only"] = Field(description="`synthetic_only` without published samples.")
    curation_samples_count: int = Field(description="Published samples that the scan uses.")
    evalset_available: bool = Field(description="Whether the world model issues stimuli.")
    minimum_detectable_effect: float | None = Field(
        description="The least improvement that the holdout can show, in four scans of five; null = none."
    )
    noise: Noise | None = Field(description="Measured while observing; null until then.")
    quote: Quote = Field(description="What the budget buys.")
    with_more_samples: MoreSamples | None = Field(default=None, description="What further samples would make visible.")
    statement: str = Field(
        default="",
        description="All of it in a sentence.",
        examples=[
            "The budget buys about 8 candidates, and 94 sealed cases show an effect of 14 points or more; "
            "about 100 more samples would show 11."
        ],
    )
    warnings: tuple[str, ...] = Field(description="What will limit the verdict.")


def show(readiness: Readiness, cases: int, spread: float, rigor: Rigor = USUAL_RIGOR) -> Readiness:
    """The readiness with the least effect that so many sealed cases show, what more of them would, and both in words.

    ``spread`` is the standard deviation of a case's paired difference.
    """
    effect = minimum_detectable_effect(cases, spread, alpha=rigor.alpha)
    target = FIRST_TARGET if effect is None or cases < rigor.minimum_pairs else max(LEAST_TARGET, round(effect * NEXT_TARGET, 2))
    needed = max(rigor.minimum_pairs, cases_needed(target, spread, alpha=rigor.alpha))
    more = None
    if needed > cases and (effect is None or target < effect or cases < rigor.minimum_pairs):
        samples = ceil((needed - cases) / HOLDOUT_SHARE / 10) * 10
        shown = minimum_detectable_effect(cases + round(samples * HOLDOUT_SHARE), spread, alpha=rigor.alpha)
        more = MoreSamples(samples=samples, minimum_detectable_effect=shown or 1.0)
    candidates = readiness.quote.max_candidates
    words = f"The budget buys about {candidates} candidate{'s' * (candidates != 1)}" if candidates else "Nothing is searched"
    words += f", and {cases} sealed cases show "
    words += "no effect at all" if effect is None else f"an effect of {100 * effect:.0f} points or more"
    if more is not None:
        words += f"; about {more.samples} more samples would show {100 * more.minimum_detectable_effect:.0f}"
    return readiness.model_copy(update={"minimum_detectable_effect": effect, "with_more_samples": more, "statement": f"{words}."})


def proposals_for(candidates: int) -> int:
    """Proposals that a search makes for so many candidates: some fail at once, on their minibatch (12 for 8, engine 1.4)."""
    return ceil(PROPOSALS_PER_CANDIDATE * candidates)


def holdout_repeats(cases: int) -> int:
    """Runs of each holdout case: more where cases are scarce."""
    return 1 if cases >= SCARCE_HOLDOUT else SCARCE_REPEATS


class Calls(Value):
    """Model calls by what they are for."""

    agent: int = 0
    judge: int = 0
    comparing: int = 0
    proposer: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.agent + self.judge + self.comparing + self.proposer

    def __add__(self, other: "Calls") -> "Calls":
        return Calls(**{name: count + getattr(other, name) for name, count in self})

    def times(self, factor: int) -> "Calls":
        """So many times as many."""
        return Calls(**{name: count * factor for name, count in self})


class CallPrices(Value):
    """The estimated cost of one call of each kind in US dollars; None = unknown."""

    agent: Decimal | None = None
    judge: Decimal | None = None
    comparing: Decimal | None = None
    proposer: Decimal | None = None

    def cost(self, calls: Calls) -> Decimal | None:
        """The cost of the calls; None when one of them has no known price."""
        cost = Decimal(0)
        for name, count in calls:
            price = getattr(self, name)
            if count and price is None:
                return None
            cost += count * price if count else 0
        return cost


class Shape(Value):
    """The sizes that a scan's work follows from."""

    agents: int
    train: int
    dev: int
    holdout: int
    holdout_groups: int
    """The holdout with near-duplicates counted once: what the evidence is measured in."""
    comparisons: int = 0
    """Calls for embeddings that each answer to a sample takes."""
    selection_votes: int
    """Judge calls for each answer while searching, over all judged dimensions."""
    verdict_votes: int
    """Judge calls for each answer on the holdout."""
    writes: bool = True
    """Whether texts are written anew."""
    has_proposer: bool
    """Whether a model is asked for them."""
    has_gepa: bool = False
    """Whether the gepa package searches, which runs a parent on all cases of a minibatch anew."""
    turns: int = 1
    """How often an agent's model is asked in one run: more than once where recordings answer its tools."""
    arms: int = 0
    """Hyperparameter arms of the agent that has the most."""
    has_labels: bool = False
    """Whether people have labelled answers, which are then judged once more."""

    def _answers(self, samples: int, *, stimuli: int = 0, votes: int | None = None) -> Calls:
        votes = self.selection_votes if votes is None else votes
        return Calls(agent=(samples + stimuli) * self.turns, judge=samples * votes, comparing=samples * self.comparisons)

    @property
    def observing(self) -> Calls:
        """Baseline, noise, canaries and the probe of the headroom."""
        once = self._answers(self.train + self.dev, stimuli=TRAIN_STIMULI + DEV_STIMULI)
        if self.writes:
            once += self._answers(min(HEADROOM_CASES, self.dev))
        noise = self._answers(min(NOISE_CASES, self.train)) if self.train else self._answers(0, stimuli=NOISE_CASES)
        return once.times(self.agents) + noise + Calls(judge=CANARY_CALLS if self.selection_votes else 0)

    def generating(self, candidates: int) -> Calls:
        """Proposing so many candidates, screening the proposals, and running those that pass on the probe set; racing arms."""
        of_parent = MINIBATCH if self.has_gepa else FAILING_IN_MINIBATCH
        proposal = self._answers(MINIBATCH + of_parent) + Calls(proposer=int(self.has_proposer))
        proposals = proposals_for(candidates) + self.agents * (1 + self.has_gepa) - 1  # each search rounds up by itself
        merges = MOST_MERGES * self.agents if candidates > 2 else 0  # of two others, into a place that is left
        written = proposal.times(proposals) + self._answers(MINIBATCH).times(merges)
        probe = self._answers(min(PROBE_CASES, self.train), stimuli=TRAIN_STIMULI)
        arms = self._answers(planned_runs(self.arms, self.train or TRAIN_STIMULI)).times(self.agents)
        return probe.times(candidates) + written.times(int(self.writes)) + arms

    def evaluating(self, candidates: int) -> Calls:
        """Racing so many candidates on dev, and judging the labelled pairs once more."""
        raced = self._answers(self.dev, stimuli=DEV_STIMULI).times(candidates)
        return raced + Calls(judge=2 * self.dev * self.verdict_votes * self.has_labels)

    @property
    def holdout_calls(self) -> Calls:
        """Baseline and finalist on the holdout."""
        arm = self._answers(self.holdout, stimuli=HOLDOUT_STIMULI, votes=self.verdict_votes)
        return arm.times(2 * holdout_repeats(self.holdout_groups))

    @property
    def diagnosing(self) -> Calls:
        """The finalist on the training cases that it has not run on."""
        return self._answers(max(0, self.train - PROBE_CASES))

    @property
    def held_calls(self) -> int:
        """What is kept back for the holdout, with some slack for questions that have to be asked again."""
        return round(self.holdout_calls.total * SLACK)

    @property
    def slack(self) -> int:
        """How much of that is slack."""
        return self.held_calls - self.holdout_calls.total

    def by_phase(self, candidates: int) -> dict[str, Calls]:
        """Everything with so many candidates."""
        return {
            "observe": self.observing,
            "generate": self.generating(candidates),
            "evaluate": self.evaluating(candidates) + self.holdout_calls,
            "diagnose": self.diagnosing,
        }

    def all_calls(self, candidates: int) -> Calls:
        """The sum of all phases."""
        return sum(self.by_phase(candidates).values(), Calls())

    def is_covered(self, candidates: int, *, max_calls: int, max_usd: Decimal, prices: CallPrices) -> bool:
        """Whether a budget reaches to the verdict with so many candidates, the slack for the holdout included.

        The diagnosis is not counted: it has what the holdout leaves of its share, and may be cut short.
        """
        usd = self.needed_usd(candidates, prices=prices)
        return self._until_verdict(candidates).total + self.slack <= max_calls and (usd is None or usd <= max_usd)

    def needed_usd(self, candidates: int, *, prices: CallPrices) -> Decimal | None:
        """The least budget that reaches to the verdict: of what the holdout has to itself a search can spend nothing."""
        cost, sealed = prices.cost(self._until_verdict(candidates)), prices.cost(self.holdout_calls)
        return None if cost is None or sealed is None else max(cost, (cost - sealed) / (1 - HELD_SHARE))

    def _until_verdict(self, candidates: int) -> Calls:
        return sum((calls for phase, calls in self.by_phase(candidates).items() if phase != "diagnose"), Calls())

    def affordable(self, candidates: int, *, max_calls: int, max_usd: Decimal, prices: CallPrices) -> int:
        """How many candidates the budget covers; 0 = it does not reach the first look at the holdout."""
        covered = (
            number
            for number in range(candidates, 0, -1)
            if self.is_covered(number, max_calls=max_calls, max_usd=max_usd, prices=prices)
        )
        return next(covered, 0)
