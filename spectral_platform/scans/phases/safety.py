"""Safety: the gates and the verdict, and in one transaction the changeset and the end of the scan."""

import asyncio
import hashlib
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.changesets import commands as changesets
from spectral_platform.changesets.clusters.carrying import carry
from spectral_platform.changesets.clusters.commands import record_clusters, settle_unseen
from spectral_platform.changesets.clusters.findings import ClusterFinding
from spectral_platform.changesets.states import EvidenceLevel, Outcome
from spectral_platform.core.access import system_caller
from spectral_platform.core.jobs import publish
from spectral_platform.core.lifecycle import move
from spectral_platform.evaluations.calibration.certificates import Calibration
from spectral_platform.llm.models import ModelCall
from spectral_platform.llm.queries import sum_spending
from spectral_platform.scans.failures import SEEN_IN_TRACES
from spectral_platform.scans.models import Scan, ScanAgent, ScanArtifact
from spectral_platform.scans.news import scan_ended
from spectral_platform.scans.queries import is_replayed
from spectral_platform.scans.reporting.files import ArtifactFile, make_files
from spectral_platform.scans.reporting.report import write_report
from spectral_platform.scans.run import Findings, Run, add_events, event
from spectral_platform.scans.states import Phase, ScanStatus
from spectral_platform.scans.trials import WITHOUT_SCORE
from spectral_platform.scans.verdicts import explaining
from spectral_platform.scans.verdicts.evidence import evidence_level
from spectral_platform.scans.verdicts.gating import need
from spectral_platform.scans.verdicts.verdict import Gate, GateResult, Grounds, Need, Verdict, decide
from spectral_platform.statistics.power import PRIOR_RUN_VARIANCE
from spectral_platform.worlds.commands import record_exposure
from spectral_platform.worlds.splits import Split

ADEQUATE_CANDIDATES = 6
TOP_CLUSTERS = 3
UNTRIED = frozenset({"invalid", "out_of_budget", "unmeasured"})
"""Fates that say nothing of what a candidate is worth."""


async def safety(run: Run) -> None:
    """Decide, and complete the scan."""
    workspace_id, scan_id = run.tenant.workspace_id, run.tenant.scan_id
    async with run.transaction() as session:
        replayed = await is_replayed(session, workspace_id, scan_id)
        by_model = await sum_spending(session, workspace_id, scan_id, by=[ModelCall.model, ModelCall.provider])
    verdict = reach_verdict(run).model_copy(update={"replayed": replayed})
    files = await asyncio.to_thread(lambda: make_files(run, verdict, write_report(run, verdict, by_model)))
    caller = system_caller(run.tenant.account_id, run.tenant.workspace_id)
    async with run.transaction() as session:
        changeset_id = None
        clusters = await carry(session, caller, _cluster_findings(run))
        if verdict.outcome is not Outcome.INSUFFICIENT_EVIDENCE:
            changeset_id = await changesets.propose(
                session,
                caller,
                scan_id=scan_id,
                outcome=verdict.outcome,
                items=() if verdict.outcome is Outcome.VALIDATED_NO_CHANGE else explaining.changes(run),
                explainability=explaining.explain(run, verdict),
                verdict=verdict.model_dump(mode="json"),
                performance_cards=explaining.performance_cards(run, verdict),
                framework_snapshot=explaining.framework(run),
                risk=explaining.risk(run),
                simulated=run.simulated,
                clusters=clusters,
                reason=" ".join(verdict.reasons) if verdict.outcome is Outcome.REJECTED_TRADEOFF else None,
            )
        else:  # no changeset, but what was found is worth having
            await record_clusters(session, caller, scan_id=scan_id, findings=clusters)
        await settle_unseen(
            session,
            caller,
            agent_ids=run.found.cards.keys(),
            criteria={*run.standard.instructions(), *SEEN_IN_TRACES},
            scan_id=scan_id,
        )
        if run.found.holdout is not None and not run.simulated and not verdict.replayed:
            await record_exposure(session, workspace_id, scan_id, run.found.holdout_groups)
        session.add_all(_artifact(run, file) for file in files)
        await _complete(session, run, verdict, changeset_id)


def _artifact(run: Run, file: ArtifactFile) -> ScanArtifact:
    return ScanArtifact(
        workspace_id=run.tenant.workspace_id,
        scan_id=run.tenant.scan_id,
        path=file.path,
        media_type=file.media_type,
        size_bytes=len(file.content),
        sha256=hashlib.sha256(file.content).hexdigest(),
        content=file.content,
    )


async def _complete(session: AsyncSession, run: Run, verdict: Verdict, changeset_id: UUID | None) -> None:
    scan = await session.get_one(Scan, run.tenant.scan_id)
    reached = event(
        run.tenant,
        Phase.SAFETY,
        "verdict_reached",
        "",
        f"Verdict: {verdict.outcome}. {' '.join(verdict.reasons)}",
        data={"outcome": verdict.outcome.value, "effect": verdict.effect.model_dump() if verdict.effect else None},
    )
    await add_events(session, reached, event(run.tenant, Phase.SAFETY, "scan_completed", "", "The scan is complete."))
    await move(session, scan, ScanStatus.COMPLETED, verdict=verdict, changeset_id=changeset_id)
    await session.execute(update(ScanAgent).where(ScanAgent.scan_id == run.tenant.scan_id).values(is_active=False))
    await publish(session, scan_ended(run.tenant.account_id, scan))


def reach_verdict(run: Run) -> Verdict:
    """Compute every gate and decide."""
    found = run.found
    gates: list[GateResult] = []
    statistics: dict[str, JsonValue] = {}
    effect = None
    lacks = list(found.lacks)
    if found.conclusion is not None:
        gates, effect = list(found.conclusion.gates), found.conclusion.effect
        statistics = dict(found.conclusion.statistics)
        lacks += [gate.detail for gate in gates if gate.gate is Gate.EVIDENCE and not gate.passed]
    failures = sum(len({failure.case_key for failure in failed}) for failed in found.failures.values())
    outcome, reasons = decide(
        Grounds(
            lacks_coverage=tuple(dict.fromkeys(lacks)),
            gates=tuple(gates),
            finalist_upper_bound=effect.upper_bound if effect else None,
            why_no_finalist=explaining.why_no_finalist(run),
            is_search_adequate=is_search_adequate(found),
            baseline_failures=failures,
            observed_cases=_observed_cases(run),
        )
    )
    statistics["candidates"] = len(found.contenders)
    statistics["search_adequate"] = is_search_adequate(found)
    statistics["seed"] = run.seed
    statistics["rigor"] = {"mode": run.settings.autonomy.value, **run.settings.rigor.model_dump()}
    statistics["judges"] = {key: _belief(judge) for key, judge in sorted(found.calibrations.items())}
    return Verdict(
        outcome=outcome,
        effect=effect,
        gates=tuple(gates),
        minimum_detectable_effect=run.readiness.minimum_detectable_effect,
        need=_need(run, statistics) if outcome is Outcome.INSUFFICIENT_EVIDENCE else None,
        reasons=reasons,
        evidence_level=_evidence_level(run),
        simulated=run.simulated,
        statistics=statistics,
    )


def _need(run: Run, statistics: dict[str, JsonValue]) -> Need:
    """What would make the evidence suffice. Scores of a judge that cannot be believed tell nothing of the agent's noise."""
    found = run.found
    noise = None if found.judge_untrusted else found.noise
    return need(
        found.holdout.composite if found.holdout else (),
        run_variance=noise.run_variance if noise else PRIOR_RUN_VARIANCE,
        cases=run.material.sealed_groups,
        rigor=run.settings.rigor,
        labels=_labels_needed(statistics),
        limit_cases=_limit_cases_needed(statistics),
    )


def _evidence_level(run: Run) -> EvidenceLevel:
    """The level of what decided: of the finalist and what it was compared with, else of all that was run."""
    finalist, configs = run.found.finalist, run.material.configs
    replayed = run.material.replay.agents
    if finalist is None:
        return min(evidence_level(config, is_replayed=agent_id in replayed) for agent_id, config in configs.items())
    agent_id = finalist.agent.agent_id
    return evidence_level(configs[agent_id], finalist.candidate.config, is_replayed=agent_id in replayed)


def _belief(calibration: Calibration) -> dict[str, JsonValue]:
    """How far a judge can be believed, in short."""
    kappa = calibration.kappa.lower if calibration.kappa else None
    return {"state": calibration.state.value, "labels": calibration.n, "kappa_lower_bound": kappa}


def _labels_needed(statistics: dict[str, JsonValue]) -> int | None:
    check = statistics.get("human_check")
    needed = check.get("labels_needed") if isinstance(check, dict) else None
    return needed if isinstance(needed, int) else None


def _observed_cases(run: Run) -> int:
    """Training cases on which every agent's baseline was really scored; the others cannot show that nothing fails."""
    return sum(
        all(case.key in trials and trials[case.key].status not in WITHOUT_SCORE for trials in run.found.baseline.values())
        for case in run.material.book.select(Split.TRAIN)
    )


def is_search_adequate(found: Findings) -> bool:
    """Enough distinct valid candidates, one for each of the largest clusters of each agent, and a proposer that worked.

    Where a prompt that asks for everything gained nothing with any agent, the few candidates that were tried on that are enough.
    """
    valid = [contender for contender in found.contenders if contender.fate not in UNTRIED]
    answered = {(contender.agent.agent_id, contender.candidate.cluster_signature) for contender in valid}
    top = [(agent, cluster.signature) for agent, clusters in found.clusters.items() for cluster in clusters[:TOP_CLUSTERS]]
    enough = len({contender.candidate.key for contender in valid}) >= ADEQUATE_CANDIDATES
    is_covered = enough and answered.issuperset(top)
    has_no_headroom = bool(found.headroom) and all(headroom.is_negative for headroom in found.headroom.values())
    return found.proposer_errors == 0 and (is_covered or (has_no_headroom and bool(valid) and not found.is_cut_short))


def _cluster_findings(run: Run) -> tuple[ClusterFinding, ...]:
    """What is recorded of the clusters of all agents."""
    return tuple(card for cards in run.found.cards.values() for card in cards)


def _limit_cases_needed(statistics: dict[str, JsonValue]) -> int | None:
    needed = statistics.get("limit_cases_needed")
    return needed if isinstance(needed, int) else None
