"""The verdict as a total function of its grounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral_platform.changesets.states import Outcome
from spectral_platform.scans.verdicts.verdict import Gate, GateResult, Grounds, decide


def gate(kind: Gate, *, passed: bool, harm: bool = False) -> GateResult:
    return GateResult(gate=kind, name=kind.value, value=0.0, threshold=0.0, passed=passed, harm=harm, detail=f"about {kind}")


def grounds(
    *gates: GateResult,
    lacks: tuple[str, ...] = (),
    upper: float | None = 0.2,
    adequate: bool = True,
    failures: int = 10,
    observed: int = 100,
) -> Grounds:
    return Grounds(
        lacks_coverage=lacks,
        gates=gates,
        finalist_upper_bound=upper,
        is_search_adequate=adequate,
        baseline_failures=failures,
        observed_cases=observed,
    )


G1, G2, G5 = Gate.IMPROVEMENT, Gate.AUTHORITIES, Gate.HARD_CONSTRAINTS
PASSING = (gate(G1, passed=True), gate(G2, passed=True), gate(G5, passed=True))


@pytest.mark.parametrize(
    ("case", "outcome"),
    [
        (grounds(*PASSING), Outcome.IMPROVE),
        (grounds(*PASSING, lacks=("too few cases",)), Outcome.INSUFFICIENT_EVIDENCE),
        (grounds(gate(G1, passed=True), gate(G2, passed=False, harm=True)), Outcome.REJECTED_TRADEOFF),
        (grounds(gate(G1, passed=True), gate(G5, passed=False, harm=True)), Outcome.REJECTED_TRADEOFF),
        (grounds(gate(G1, passed=True), gate(G2, passed=False)), Outcome.INSUFFICIENT_EVIDENCE),
        (grounds(gate(G1, passed=False), gate(G2, passed=False, harm=True)), Outcome.INSUFFICIENT_EVIDENCE),
        (grounds(gate(G1, passed=False), upper=0.04), Outcome.VALIDATED_NO_CHANGE),
        (grounds(gate(G1, passed=False), upper=0.04, adequate=False), Outcome.INSUFFICIENT_EVIDENCE),
        (grounds(gate(G1, passed=False), upper=0.05), Outcome.INSUFFICIENT_EVIDENCE),
        (grounds(upper=None), Outcome.INSUFFICIENT_EVIDENCE),
        (grounds(upper=None, failures=0), Outcome.VALIDATED_NO_CHANGE),
        (grounds(upper=None, failures=0, observed=59), Outcome.INSUFFICIENT_EVIDENCE),
    ],
)
def test_each_ground_has_its_outcome(case: Grounds, outcome: Outcome) -> None:
    decided, reasons = decide(case)

    assert decided is outcome
    assert all(reasons)
    assert reasons


gates = st.builds(
    lambda kind, passed, harm: gate(kind, passed=passed, harm=harm and not passed),
    st.sampled_from([G1, G2, G5]),
    st.booleans(),
    st.booleans(),
)


@given(
    st.builds(
        Grounds,
        lacks_coverage=st.sampled_from([(), ("too few cases",)]),
        gates=st.lists(gates, max_size=6).map(tuple),
        finalist_upper_bound=st.none() | st.floats(-1, 1),
        is_search_adequate=st.booleans(),
        baseline_failures=st.integers(0, 5),
        observed_cases=st.integers(0, 200),
    )
)
def test_nothing_improves_without_evidence_or_with_a_failed_gate(case: Grounds) -> None:
    outcome, reasons = decide(case)

    assert reasons
    if outcome is Outcome.IMPROVE:
        assert not case.lacks_coverage
        assert case.finalist_upper_bound is not None
        assert all(result.passed for result in case.gates)
    if case.lacks_coverage:
        assert outcome is Outcome.INSUFFICIENT_EVIDENCE
    if outcome is Outcome.REJECTED_TRADEOFF:
        assert any(result.harm for result in case.gates)
