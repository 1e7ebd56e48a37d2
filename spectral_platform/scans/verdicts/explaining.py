"""The explanation of a verdict: summary, decision log, evidence and limits, written from what the phases found."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from spectral_platform.changesets.explainability import NO_CHANGES_WARRANTED, Decision, Evidence, Explainability
from spectral_platform.changesets.proposals import Attempt, FrameworkSnapshot, Measurement, PerformanceCard, ProposedChange
from spectral_platform.changesets.states import EvidenceLevel, Outcome, Risk
from spectral_platform.core import clock
from spectral_platform.evaluations.calibration.certificates import CalibrationState
from spectral_platform.scans.run import Contender, Run
from spectral_platform.scans.settings import PinnedAgent
from spectral_platform.scans.states import Phase
from spectral_platform.scans.verdicts.evidence import LIMITS
from spectral_platform.scans.verdicts.lengths import length_covariate
from spectral_platform.scans.verdicts.verdict import Verdict

FATES = {
    "finalist": "went to the sealed holdout as the finalist",
    "no_gain": "was dropped because it does not help",
    "unmeasured": "was dropped because too little of it could be scored to say whether it helps",
    "harms_authority_a": "was dropped because it breaks the domain standard",
    "outranked": "was dropped because another candidate is better",
    "invalid": "was refused before it was tried",
    "out_of_budget": "was not raced to the end because the budget was spent",
    "breaks_constraint": "was dropped because it breaks a hard limit of the objective or the rubric",
    "proposed": "was not raced",
}

WHAT_THEY_DID = {
    "no_gain": "did not help",
    "unmeasured": "could not be scored well enough",
    "harms_authority_a": "broke the domain standard",
    "outranked": "came behind another",
    "invalid": "could not be tried",
    "out_of_budget": "were cut short by the budget",
    "breaks_constraint": "broke a hard limit",
    "proposed": "did not race",
    "finalist": "became the finalist",
}


def explain(run: Run, verdict: Verdict) -> Explainability:
    """The explanation that the changeset carries."""
    moment = clock.now()
    decisions = [_of_contender(contender, moment) for contender in run.found.contenders]
    decisions.append(
        Decision(
            at=moment,
            actor="scan",
            entry=f"Verdict {verdict.outcome}: {' '.join(verdict.reasons)}",
            phase=Phase.SAFETY,
            evidence=tuple(f"{gate.gate}:{gate.name}" for gate in verdict.gates),
        )
    )
    return Explainability(
        summary=_summary(run, verdict),
        decision_log=tuple(decisions),
        verdict_evidence=_evidence(run, verdict),
        limitations=_limitations(run, verdict),
    )


def _of_contender(contender: Contender, moment: datetime) -> Decision:
    return Decision(
        at=moment,
        actor="scan",
        entry=f"Candidate {contender.position} ({contender.candidate.rationale}) {FATES[contender.fate]}: "
        f"{contender.fate_detail}",
        phase=Phase.EVALUATE,
        strategy=contender.candidate.strategy,
        candidate=contender.candidate.key,
    )


def _summary(run: Run, verdict: Verdict) -> str:
    if verdict.outcome is Outcome.VALIDATED_NO_CHANGE:
        return NO_CHANGES_WARRANTED
    finalist = run.found.finalist
    if finalist is None or verdict.effect is None:
        return f"No change is proposed: {' '.join(verdict.reasons)}"
    effect = verdict.effect
    what = (
        f"{finalist.agent.name}: {_rationale(run, finalist)} On {effect.n_pairs} sealed cases the composite score changes by "
        f"{effect.estimate:+.2f} (at least {effect.lower_bound:+.2f} with {1 - effect.alpha:.1%} confidence)."
    )
    if verdict.outcome is Outcome.REJECTED_TRADEOFF:
        return f"Not proposed, because it does good and harm. {what} {' '.join(verdict.reasons)}"
    return what


def reasons_of(run: Run, finalist: Contender) -> tuple[str, ...]:
    """Why the finalist is as it is: the reasons of all edits that led to it, the first one first."""
    ancestors = {contender.candidate.key: contender for contender in run.found.contenders if contender.agent == finalist.agent}
    reasons: list[str] = []
    step: Contender | None = finalist
    while step is not None:
        reasons.insert(0, step.candidate.rationale)
        step = ancestors.get(step.candidate.parent_key)
    return tuple(reasons)


def _rationale(run: Run, finalist: Contender) -> str:
    return " ".join(reasons_of(run, finalist))


def why_no_finalist(run: Run) -> tuple[str, ...]:
    """What became of the candidates where none was left, and of the proposals that made none."""
    contenders, errors = run.found.contenders, run.found.proposer_errors
    reasons = []
    if contenders:
        fates = Counter(contender.fate for contender in contenders).most_common()
        reasons.append(f"Of {len(contenders)} tried: {', '.join(f'{count} {WHAT_THEY_DID[fate]}' for fate, count in fates)}.")
    if errors:
        times = "once" if errors == 1 else f"{errors} times"
        reasons.append(f"The proposer gave nothing usable {times}: see the events `proposal_failed`.")
    return tuple(reasons)


def _evidence(run: Run, verdict: Verdict) -> tuple[Evidence, ...]:
    evidence = [
        Evidence(
            key=f"{gate.gate}:{gate.name}",
            statement=gate.detail,
            figures={"value": gate.value, "threshold": gate.threshold, "passed": gate.passed},
        )
        for gate in verdict.gates
    ]
    if run.found.attribution:
        clusters: list[JsonValue] = [dict(entry) for entry in run.found.attribution]
        evidence.append(
            Evidence(
                key="attribution",
                statement="What the finalist mends on training cases, by failure cluster.",
                figures={"clusters": clusters, "newly_failing": run.found.newly_failing},
            )
        )
    holdout = run.found.holdout
    length = length_covariate(holdout.composite, holdout.lengths) if holdout else None
    if length is not None:
        figures: dict[str, JsonValue] = length.model_dump()
        evidence.append(Evidence(key="length", statement=length.sentence, figures=figures))
    return tuple(evidence)


def _limitations(run: Run, verdict: Verdict) -> tuple[str, ...]:
    limits = []
    if run.simulated:
        limits.append(
            "Simulated: the built-in simulator played every model. It shows how Spectral works, not how your agent does."
        )
    if run.found.noise is not None:
        limits.append(
            f"The unchanged agent disagrees with itself on {run.found.noise.disagreement:.0%} of cases; "
            "the bound accounts for that."
        )
    if verdict.minimum_detectable_effect is not None:
        limits.append(f"These cases show effects of {verdict.minimum_detectable_effect:.0%} or more, in four scans of five.")
    if (level := EvidenceLevel(verdict.evidence_level)) in LIMITS:
        limits.append(LIMITS[level])
    limits += [gate.detail for gate in verdict.gates if gate.name == "tool_coverage"]
    limits.append("The estimate holds for cases like those of the sample set; traffic that has moved on since is not covered.")
    for key, judge in sorted(run.found.calibrations.items()):
        if judge.state is not CalibrationState.CALIBRATED:
            said = "is a judge's opinion" if judge.state is CalibrationState.UNCALIBRATED else "rests on a provisional judge"
            limits.append(f"Dimension {key} {said}: {judge.reason}")
    if run.found.is_cut_short:
        limits.append("The search ended before all candidates were tried, because its budget was spent.")
    return tuple(limits)


def changes(run: Run) -> tuple[ProposedChange, ...]:
    """The finalist as the change that a changeset proposes."""
    finalist = run.found.finalist
    if finalist is None:
        return ()
    signature = finalist.candidate.cluster_signature
    return (
        ProposedChange(
            agent_id=finalist.agent.agent_id,
            base_version=finalist.agent.base_version,
            proposed_config=finalist.candidate.config,
            strategy=finalist.candidate.strategy,
            rationale=_rationale(run, finalist),
            cluster_signatures=(signature,) if signature else (),
        ),
    )


def performance_cards(run: Run, verdict: Verdict) -> tuple[PerformanceCard, ...]:
    """One card for each agent; only the finalist's agent was measured on the holdout."""
    return tuple(_card(run, agent, verdict) for agent in run.settings.agents)


def _card(run: Run, agent: PinnedAgent, verdict: Verdict) -> PerformanceCard:
    finalist = run.found.finalist
    pairs = run.found.holdout if finalist is not None and finalist.agent == agent else None
    before = pairs.baseline_means if pairs else {}
    after = pairs.candidate_means if pairs else {}
    world = run.standard.world
    return PerformanceCard(
        agent_id=agent.agent_id,
        agent_name=agent.name,
        authority=world.name,
        authority_version=world.version,
        outcome=verdict.outcome,
        cases=pairs.cases if pairs else 0,
        measurements=tuple(
            Measurement(
                metric=metric,
                direction=run.standard.direction(metric),
                baseline=before.get(metric),
                proposed=after.get(metric),
            )
            for metric in sorted(before.keys() | after.keys())
        ),
        trajectory=tuple(
            Attempt(
                candidate=contender.candidate.key,
                strategy=contender.candidate.strategy,
                score=contender.dev.get("composite"),
                fate=contender.fate,
            )
            for contender in run.found.contenders
            if contender.agent == agent
        ),
    )


def framework(run: Run) -> FrameworkSnapshot:
    """What the scan judged by."""
    settings = run.settings

    def pinned(**facts: UUID | int | None) -> dict[str, JsonValue] | None:
        return {name: str(fact) if isinstance(fact, UUID) else fact for name, fact in facts.items()}

    return FrameworkSnapshot(
        world_model=settings.world_model,
        rubric=pinned(id=settings.rubric_id, version=settings.rubric_version),
        objective=pinned(id=settings.objective_id, version=settings.objective_version) if settings.objective_id else None,
        sample_set=pinned(id=settings.sample_set_id, version_id=settings.sample_set_version_id)
        if settings.sample_set_id
        else None,
        seed=settings.seed,
    )


def risk(run: Run) -> Risk:
    """How much may go wrong: another model risks more than another wording, and a close call more than a clear one."""
    finalist, pairs = run.found.finalist, run.found.holdout
    if finalist is None:
        return Risk.LOW
    base = run.material.configs[finalist.agent.agent_id]
    if finalist.candidate.config.hyperparameters.model != base.hyperparameters.model:
        return Risk.HIGH
    if pairs is not None and pairs.critical_worsened > 0:
        return Risk.HIGH
    return Risk.MEDIUM if run.found.newly_failing else Risk.LOW
