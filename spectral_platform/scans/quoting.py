"""What a scan will take, by arithmetic alone: calls, money and the candidates that a budget buys."""

from decimal import Decimal
from math import ceil
from typing import Literal

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyMode

NOISE_CASES = 15
CANARY_CALLS = 12
TRAIN_STIMULI = 15
DEV_STIMULI = 45
HOLDOUT_STIMULI = 60
MINIBATCH = 8
PROPOSALS_PER_CANDIDATE = 1.5
PROBE_CASES = 24
SCARCE_HOLDOUT = 60
SCARCE_REPEATS = 3
SLACK = 1.1
USUAL_OUTPUT_TOKENS = 256
USUAL_RIGOR = RIGOR[AutonomyMode.MANUAL]
"""What a verdict that people decide on is held to."""


class Noise(Value):
    """How much the unchanged agent differs from itself, measured by running cases twice."""

    cases: int = Field(description="Cases that were run twice.")
    disagreement: float = Field(description="Share of them whose scores differ by half a point or more.")
    icc: float = Field(description="Share of the variance that is the cases' own.")
    run_variance: float = Field(description="Variance between runs of one case.")


class Quote(Value):
    """What the budget buys."""

    max_candidates: int = Field(description="Candidates that the budget covers, at most as many as asked for.")
    max_usd: str | None = Field(description="Estimated cost in US dollars; null when a model has no known price.")
    model_calls: int = Field(description="Estimated model calls.")


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
    warnings: tuple[str, ...] = Field(description="What will limit the verdict.")


def proposals_for(candidates: int) -> int:
    """Proposals that a search makes for so many candidates: some fail at once, on their minibatch (12 for 8, engine 1.4)."""
    return ceil(PROPOSALS_PER_CANDIDATE * candidates)


def holdout_repeats(cases: int) -> int:
    """Runs of each holdout case: more where cases are scarce."""
    return 1 if cases >= SCARCE_HOLDOUT else SCARCE_REPEATS


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
    has_proposer: bool

    @property
    def baseline_calls(self) -> int:
        """Baseline, noise and canaries."""
        per_sample = 1 + self.comparisons + self.selection_votes
        once = (self.train + self.dev) * per_sample + TRAIN_STIMULI + DEV_STIMULI
        return once * self.agents + NOISE_CASES * per_sample + (CANARY_CALLS if self.selection_votes else 0)

    @property
    def candidate_calls(self) -> int:
        """Proposing one candidate, screening it and running it on dev."""
        per_sample = 1 + self.comparisons + self.selection_votes
        return int(self.has_proposer) + (MINIBATCH + PROBE_CASES + self.dev) * per_sample + TRAIN_STIMULI + DEV_STIMULI

    @property
    def holdout_calls(self) -> int:
        """Baseline and finalist on the holdout."""
        per_sample = 1 + self.comparisons + self.verdict_votes
        return 2 * holdout_repeats(self.holdout_groups) * (self.holdout * per_sample + HOLDOUT_STIMULI)

    @property
    def held_calls(self) -> int:
        """What is kept back for the holdout, with some slack for questions that have to be asked again."""
        return round(self.holdout_calls * SLACK)

    def calls(self, candidates: int) -> int:
        """Everything with so many candidates."""
        return self.baseline_calls + candidates * self.candidate_calls + self.held_calls

    def affordable(self, candidates: int, *, max_calls: int, max_usd: Decimal, usd_per_call: Decimal | None) -> int:
        """How many candidates the budget covers; 0 = it does not reach the first look at the holdout."""
        limit = max_calls
        if usd_per_call:
            limit = min(limit, int(max_usd / usd_per_call))
        left = limit - self.baseline_calls - self.held_calls
        return max(0, min(candidates, left // self.candidate_calls))
