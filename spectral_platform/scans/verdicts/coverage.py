"""How much of what both arms asked of their tools recordings answered: whether it is enough, and alike enough, to compare them.

Cases that a recording does not cover are left out of both arms. That is fair only while few are, and as many in either arm: a
change that asks for what nobody ever asked could otherwise hide what it breaks.
"""

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from spectral_platform.core.values import Value
from spectral_platform.evaluations.trajectories.recordings import ToolUse
from spectral_platform.scans.pairing import only_covered
from spectral_platform.scans.trials import Trial
from spectral_platform.scans.verdicts.verdict import Gate, GateResult

LEAST_COVERAGE = 0.80
MOST_DIFFERENCE = 0.05


class Coverage(Value):
    """What tools were asked in both arms, on samples and on stimuli, and how many cases are left out."""

    baseline: ToolUse
    candidate: ToolUse
    baseline_stimuli: ToolUse
    candidate_stimuli: ToolUse
    samples: int
    excluded_samples: int
    stimuli: int
    excluded_stimuli: int

    @property
    def exclusion_rate(self) -> float:
        """The share of samples that are left out."""
        return self.excluded_samples / self.samples if self.samples else 0.0

    @property
    def figures(self) -> dict[str, JsonValue]:
        """All of it, as a verdict keeps it."""
        shares = {name: arm.coverage for name, arm in (("baseline", self.baseline), ("candidate", self.candidate))}
        return {**self.model_dump(), "coverage": shares, "exclusion_rate": self.exclusion_rate}


def tool_use(trials: Iterable[Trial]) -> ToolUse:
    """What trials asked of tools, together."""
    return sum((trial.tool_use for trial in trials if trial.tool_use is not None), ToolUse())


def compare_coverage(baseline: Sequence[Trial], candidate: Sequence[Trial]) -> Coverage | None:
    """What both arms asked of tools; None where nothing answers these."""
    if all(trial.tool_use is None for trial in (*baseline, *candidate)):
        return None
    kept = only_covered(baseline, candidate)[0]
    on = {
        kind: [[trial for trial in arm if trial.case.kind == kind] for arm in (baseline, candidate, kept)]
        for kind in ("sample", "stimulus")
    }
    cases = {kind: [len({trial.case.key for trial in arm}) for arm in arms] for kind, arms in on.items()}
    return Coverage(
        baseline=tool_use(on["sample"][0]),
        candidate=tool_use(on["sample"][1]),
        baseline_stimuli=tool_use(on["stimulus"][0]),
        candidate_stimuli=tool_use(on["stimulus"][1]),
        samples=cases["sample"][0],
        excluded_samples=cases["sample"][0] - cases["sample"][2],
        stimuli=cases["stimulus"][0],
        excluded_stimuli=cases["stimulus"][0] - cases["stimulus"][2],
    )


def coverage_gates(coverage: Coverage | None) -> tuple[GateResult, ...]:
    """What gate G0 asks of a comparison whose tools recordings answer."""
    if coverage is None:
        return ()
    arms = coverage.baseline, coverage.candidate
    least = min(arm.coverage for arm in arms)
    left_out = f"{coverage.excluded_samples} of {coverage.samples} cases are left out of both arms"
    return (
        GateResult(
            gate=Gate.EVIDENCE,
            name="tool_coverage",
            value=least,
            threshold=LEAST_COVERAGE,
            passed=least >= LEAST_COVERAGE,
            harm=False,
            detail=f"Recordings answer {arms[0].coverage:.0%} of the baseline's tool calls and {arms[1].coverage:.0%} of the "
            f"finalist's; {LEAST_COVERAGE:.0%} are needed. {left_out}.",
        ),
        _alike("tool_coverage_difference", arms, "on samples"),
        _alike("stimulus_coverage_difference", (coverage.baseline_stimuli, coverage.candidate_stimuli), "on stimuli"),
    )


def _alike(name: str, arms: tuple[ToolUse, ToolUse], where: str) -> GateResult:
    difference = round(abs(arms[0].coverage - arms[1].coverage), 9)
    return GateResult(
        gate=Gate.EVIDENCE,
        name=name,
        value=difference,
        threshold=MOST_DIFFERENCE,
        passed=difference <= MOST_DIFFERENCE,
        harm=False,
        detail=f"The shares of tool calls {where} that recordings answer are {100 * difference:.0f} points apart; "
        f"{100 * MOST_DIFFERENCE:.0f} are tolerated.",
    )
