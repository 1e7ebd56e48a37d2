"""The verdict of a scan: a total function of the gates, with every statistic that it rests on."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field, JsonValue

from spectral_platform.changesets.states import EvidenceLevel, Outcome
from spectral_platform.core.values import Value


class Gate(StrEnum):
    """The gates that a change passes through."""

    EVIDENCE = "G0"
    IMPROVEMENT = "G1"
    AUTHORITIES = "G2"
    DIMENSIONS = "G3"
    SEVERE_REGRESSIONS = "G4"
    HARD_CONSTRAINTS = "G5"
    SLICES = "G6"
    TRANSFER = "G7"
    """Warns and never decides."""
    HUMAN_CHECK = "G8"


class GateResult(Value):
    """One test of a gate. A failed test is either evidence of harm or only a lack of evidence."""

    gate: Gate = Field(description="Which gate.")
    name: str = Field(description="What is tested.", examples=["composite_lower_bound"])
    value: float | None = Field(description="What was measured; null = it could not be.")
    threshold: float = Field(description="What it is held against.")
    passed: bool = Field(description="Whether it passed.")
    harm: bool = Field(description="Whether the failure is evidence of harm rather than a lack of evidence.")
    detail: str = Field(description="The test in words.")


class Effect(Value):
    """The finalist against the baseline on the holdout."""

    estimate: float = Field(description="Mean paired difference of the composite score.")
    lower_bound: float = Field(
        description="Lower bound of its mean at level alpha, with runs that could not be scored at their worst."
    )
    upper_bound: float = Field(
        description="Upper bound of its mean, with whatever is unknown of the finalist at its best; at the level of the look "
        "that decided, .05 for all looks."
    )
    alpha: float = Field(description="One-sided level of the lower bound.")
    n_pairs: int = Field(description="Paired cases.")


class Need(Value):
    """What would make the evidence suffice."""

    cases: int | None = Field(description="Holdout cases.")
    labels: int | None = Field(description="Human labels; null = none are needed.")
    repeats: int | None = Field(description="Runs of each case; null = more runs alone do not suffice.")


def describe_need(need: Mapping[str, Any] | None) -> str:
    """A verdict's need in words; empty where more of nothing would help. A single run of each case is what there was."""
    wanted = need or {}
    cases, labels, repeats = (wanted.get(name) for name in ("cases", "labels", "repeats"))
    ways = [f"{cases} sealed cases"] if cases else []
    ways += [f"{repeats} runs of each case"] if repeats and repeats > 1 else []
    return " and ".join(filter(None, [" or ".join(ways), f"{labels} cases labelled by people" if labels else ""]))


class Verdict(Value):
    """What the scan concluded, and why."""

    outcome: Outcome = Field(description="The conclusion.")
    effect: Effect | None = Field(description="Null when nothing was compared on the holdout.")
    gates: tuple[GateResult, ...] = Field(description="Every test, passed or not.")
    minimum_detectable_effect: float | None = Field(
        description="The least effect that the cases could show, in four scans of five."
    )
    need: Need | None = Field(description="What is missing, when the evidence is insufficient.")
    reasons: tuple[str, ...] = Field(description="Why this outcome and no other.")
    evidence_level: EvidenceLevel = Field(
        description="`L3`: agents were run whole. `L2`: the model of an agent with tools was, and recordings answered its tools. "
        "`L1`: it was asked for its next turn. Changes on `L1` and `L2` can be recommended, and are not applied by Spectral.",
        examples=["L3"],
    )
    simulated: bool = Field(description="Whether the simulator played the models.")
    replayed: bool = Field(
        default=False, description="Whether answers came from a cassette; such a verdict moves nothing in production."
    )
    statistics: dict[str, JsonValue] = Field(description="Every further figure that was computed, by name.")


class Grounds(Value):
    """What the outcome is decided from."""

    lacks_coverage: tuple[str, ...]
    """Why the evidence falls short of gate G0; empty when it does not."""
    gates: tuple[GateResult, ...]
    finalist_upper_bound: float | None
    """Upper bound of the finalist's effect; None without a finalist."""
    why_no_finalist: tuple[str, ...] = ()
    """What became of those that might have been one."""
    is_search_adequate: bool
    baseline_failures: int
    observed_cases: int


NO_CHANGE_EFFECT = 0.05
"""An effect below this is as good as none (MWE_nc)."""
CEILING_CASES = 60
"""Without a failure in so many cases the true failure rate is below 5 % (rule of three)."""


def decide(grounds: Grounds) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome and its reasons, by the rule of the engine's design; every input has exactly one outcome."""
    if grounds.lacks_coverage:
        return Outcome.INSUFFICIENT_EVIDENCE, grounds.lacks_coverage
    failed = [gate for gate in grounds.gates if not gate.passed and gate.gate is not Gate.TRANSFER]
    has_finalist = grounds.finalist_upper_bound is not None
    if has_finalist and not failed:
        warnings = tuple(gate.detail for gate in grounds.gates if not gate.passed)
        return Outcome.IMPROVE, ("Every gate passed on the sealed holdout.", *warnings)
    improved = has_finalist and all(gate.passed for gate in grounds.gates if gate.gate is Gate.IMPROVEMENT)
    harm = [gate.detail for gate in failed if gate.harm]
    if improved and harm:
        return Outcome.REJECTED_TRADEOFF, tuple(harm)
    if has_finalist and grounds.is_search_adequate and (grounds.finalist_upper_bound or 0.0) < NO_CHANGE_EFFECT:
        return Outcome.VALIDATED_NO_CHANGE, (
            f"The best candidate's effect is below {NO_CHANGE_EFFECT:.0%}, and the search was adequate.",
        )
    if grounds.baseline_failures == 0 and grounds.observed_cases >= CEILING_CASES:
        return Outcome.VALIDATED_NO_CHANGE, (
            f"The baseline failed none of {grounds.observed_cases} cases: there is nothing to improve that they can show.",
        )
    reasons = tuple(gate.detail for gate in failed) or (
        "No challenger was left to compare on the holdout.",
        *grounds.why_no_finalist,
    )
    return Outcome.INSUFFICIENT_EVIDENCE, reasons
