"""How much of what both arms asked of their tools recordings answered: whether it is enough, and alike enough, to compare them.

Runs that a recording does not cover for the baseline are left out of both arms; of those that it covers, the finalist's own are
counted among what could not be scored. That is fair only while few are, and as many in either arm. Calls alone do not tell: one
that nobody recorded ends a run, and among the many of long runs such ends are few.
"""

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from spectral_platform.core.values import Value
from spectral_platform.evaluations.trajectories.recordings import ToolUse
from spectral_platform.scans.pairing import only_covered, uncovered_runs
from spectral_platform.scans.trials import Trial
from spectral_platform.scans.verdicts.verdict import Gate, GateResult

LEAST_COVERAGE = 0.80
MOST_DIFFERENCE = 0.05


class Coverage(Value):
    """What tools were asked in both arms, on samples and on stimuli, what is left out, and how many runs each arm lacks."""

    baseline: ToolUse
    candidate: ToolUse
    baseline_stimuli: ToolUse
    candidate_stimuli: ToolUse
    samples: int
    excluded_samples: int
    """Samples of which no run is left."""
    sample_runs: int
    """Of either arm."""
    excluded_sample_runs_by_arm: tuple[int, int] = (0, 0)
    stimuli: int
    excluded_stimuli: int
    stimulus_runs: int
    excluded_stimulus_runs_by_arm: tuple[int, int] = (0, 0)

    @property
    def exclusion_rate(self) -> float:
        """The share of runs on samples that are left out of both arms."""
        return self.excluded_sample_runs_by_arm[0] / self.sample_runs if self.sample_runs else 0.0

    @property
    def figures(self) -> dict[str, JsonValue]:
        """All of it, as a verdict keeps it."""
        shares = {name: arm.coverage for name, arm in (("baseline", self.baseline), ("candidate", self.candidate))}
        return {**self.model_dump(mode="json"), "coverage": shares, "exclusion_rate": self.exclusion_rate}


def tool_use(trials: Iterable[Trial]) -> ToolUse:
    """What trials asked of tools, together."""
    return sum((trial.tool_use for trial in trials if trial.tool_use is not None), ToolUse())


def compare_coverage(baseline: Sequence[Trial], candidate: Sequence[Trial]) -> Coverage | None:
    """What both arms asked of tools; None where nothing answers these."""
    if all(trial.tool_use is None for trial in (*baseline, *candidate)):
        return None
    on = {
        kind: [[trial for trial in arm if trial.case.kind == kind] for arm in (baseline, candidate)]
        for kind in ("sample", "stimulus")
    }
    cases = {kind: {trial.case.key for trial in arms[0]} for kind, arms in on.items()}
    left = {kind: {trial.case.key for trial in only_covered(*arms)[0]} for kind, arms in on.items()}
    excluded = {kind: tuple(len(uncovered_runs(arm)) for arm in arms) for kind, arms in on.items()}
    return Coverage(
        baseline=tool_use(on["sample"][0]),
        candidate=tool_use(on["sample"][1]),
        baseline_stimuli=tool_use(on["stimulus"][0]),
        candidate_stimuli=tool_use(on["stimulus"][1]),
        samples=len(cases["sample"]),
        excluded_samples=len(cases["sample"] - left["sample"]),
        sample_runs=len(on["sample"][0]),
        excluded_sample_runs_by_arm=excluded["sample"],
        stimuli=len(cases["stimulus"]),
        excluded_stimuli=len(cases["stimulus"] - left["stimulus"]),
        stimulus_runs=len(on["stimulus"][0]),
        excluded_stimulus_runs_by_arm=excluded["stimulus"],
    )


def coverage_gates(coverage: Coverage | None) -> tuple[GateResult, ...]:
    """What gate G0 asks of a comparison whose tools recordings answer."""
    if coverage is None:
        return ()
    arms = coverage.baseline, coverage.candidate
    stimuli = coverage.baseline_stimuli, coverage.candidate_stimuli
    left_out = f"{coverage.excluded_sample_runs_by_arm[0]} of {coverage.sample_runs} runs are left out of both arms"
    return (
        _enough("tool_coverage", arms, f" {left_out}."),
        _enough(
            "stimulus_coverage",
            stimuli,
            f" {coverage.excluded_stimulus_runs_by_arm[0]} of {coverage.stimulus_runs} runs on stimuli are left out.",
        ),
        _alike("tool_coverage_difference", [arm.coverage for arm in arms], "tool calls on samples"),
        _alike("stimulus_coverage_difference", [arm.coverage for arm in stimuli], "tool calls on stimuli"),
        _alike(
            "covered_samples_difference", _covered(coverage.excluded_sample_runs_by_arm, coverage.sample_runs), "runs on samples"
        ),
        _alike(
            "covered_stimuli_difference",
            _covered(coverage.excluded_stimulus_runs_by_arm, coverage.stimulus_runs),
            "runs on stimuli",
        ),
    )


def _covered(excluded: Sequence[int], runs: int) -> list[float]:
    return [1 - arm / runs if runs else 1.0 for arm in excluded]


def _enough(name: str, arms: tuple[ToolUse, ToolUse], left_out: str) -> GateResult:
    least = min(arm.coverage for arm in arms)
    return GateResult(
        gate=Gate.EVIDENCE,
        name=name,
        value=least,
        threshold=LEAST_COVERAGE,
        passed=least >= LEAST_COVERAGE,
        harm=False,
        detail=f"Recordings answer {arms[0].coverage:.1%} of the baseline's tool calls and {arms[1].coverage:.1%} of the "
        f"finalist's; {LEAST_COVERAGE:.0%} are needed.{left_out}",
    )


def _alike(name: str, shares: Sequence[float], what: str) -> GateResult:
    difference = round(abs(shares[0] - shares[1]), 9)
    return GateResult(
        gate=Gate.EVIDENCE,
        name=name,
        value=difference,
        threshold=MOST_DIFFERENCE,
        passed=difference <= MOST_DIFFERENCE,
        harm=False,
        detail=f"The shares of {what} that recordings answer are {100 * difference:.1f} points apart; "
        f"{100 * MOST_DIFFERENCE:.0f} are tolerated.",
    )
