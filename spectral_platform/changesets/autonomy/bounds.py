"""Whether the system may decide about a changeset by itself: every bound, and why it is not kept."""

from collections.abc import Collection
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from spectral_platform.changesets.errors import EvidenceForbids, JudgeUncalibrated
from spectral_platform.changesets.states import APPLIED_FROM, EvidenceLevel, Risk
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyBounds, AutonomyMode

CALIBRATED, UNCALIBRATED = "calibrated", "uncalibrated"
LEAST_EVIDENCE = EvidenceLevel.L3
_RISKS = (Risk.LOW, Risk.MEDIUM, Risk.HIGH)


class _Read(BaseModel):
    """A part of a verdict; what else is in it does not matter here, and what is missing proves nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Effect(_Read):
    n_pairs: int = 0


class _Gate(_Read):
    gate: str
    passed: bool
    detail: str


class _Judge(_Read):
    state: str


class _Rigor(_Read):
    alpha: float = 1.0


class _Statistics(_Read):
    confidence: float = 0.0
    rigor: _Rigor = _Rigor()
    judges: dict[str, _Judge] = {}


class Proof(_Read):
    """What a verdict says of its own strength."""

    effect: _Effect | None = None
    gates: tuple[_Gate, ...] = ()
    evidence_level: EvidenceLevel = EvidenceLevel.L0
    statistics: _Statistics = _Statistics()

    @property
    def uncalibrated(self) -> list[str]:
        """The dimensions of whose judge nothing is known: what it says is an opinion."""
        return sorted(key for key, judge in self.statistics.judges.items() if judge.state == UNCALIBRATED)


def read_proof(verdict: dict[str, JsonValue]) -> Proof:
    """The parts of a stored verdict that bounds are held against."""
    return Proof.model_validate(verdict)


def require_proof(verdict: dict[str, JsonValue], *, simulated: bool) -> None:
    """Raise ``EvidenceForbids`` or ``JudgeUncalibrated`` where a verdict is enough to recommend a change and not to apply it.

    Of a simulated judge nothing can be known, and nothing real is changed by its word.
    """
    proof = read_proof(verdict)
    if proof.evidence_level < APPLIED_FROM:
        raise EvidenceForbids(proof.evidence_level, APPLIED_FROM)
    if not simulated and (opinions := proof.uncalibrated):
        raise JudgeUncalibrated(opinions)


def reasons_against(
    proof: Proof, bounds: AutonomyBounds, *, risk: Risk, agent_ids: Collection[UUID], applied_today: int
) -> tuple[str, ...]:
    """Why the system may not decide by itself; nothing where it may."""
    rigor, statistics = RIGOR[AutonomyMode.BOUNDED_AUTO], proof.statistics
    pairs = proof.effect.n_pairs if proof.effect else 0
    confidence = max(bounds.min_confidence, 1 - rigor.alpha)
    doubted = sorted(key for key, judge in statistics.judges.items() if judge.state != CALIBRATED)
    outside = set(agent_ids) - set(bounds.agents) if bounds.agents is not None else set()
    checks = (
        (_RISKS.index(risk) > _RISKS.index(Risk(bounds.max_risk)), f"its risk is {risk}, the bound is {bounds.max_risk}"),
        (
            applied_today >= bounds.max_applies_per_day,
            f"the system applied {applied_today} changesets within 24 hours, the bound is {bounds.max_applies_per_day}",
        ),
        (bool(outside), f"it changes agents outside of the bounds ({', '.join(sorted(map(str, outside)))})"),
        (
            statistics.rigor.alpha > rigor.alpha,
            f"its scan was not held to the level {rigor.alpha} that the mode asks for",
        ),
        (pairs < rigor.minimum_pairs, f"it rests on {pairs} sealed pairs, the mode asks for {rigor.minimum_pairs}"),
        (
            statistics.confidence < confidence,
            f"the confidence in the improvement is {statistics.confidence:.4f}, the bound is {confidence}",
        ),
        (
            proof.evidence_level < LEAST_EVIDENCE,
            f"its evidence is of level {proof.evidence_level}, the mode asks for {LEAST_EVIDENCE}",
        ),
        (bool(doubted), f"no judge is calibrated for {', '.join(doubted)}"),
        *((True, f"a gate warns: {gate.detail}") for gate in proof.gates if not gate.passed),
    )
    return tuple(reason for is_broken, reason in checks if is_broken)
