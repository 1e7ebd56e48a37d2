"""Observe: run the agents as they are, measure their noise, probe the judge, and say what the cases can show."""

from collections import Counter
from itertools import starmap

from spectral_platform.core.randomness import generator
from spectral_platform.evaluations.canaries import Canary, draw_canaries, is_judge_untrusted, is_sound
from spectral_platform.evaluations.judging import UnreadableJudgement, build_judge_request, read_judgements
from spectral_platform.evaluations.scoring import reference_measures
from spectral_platform.llm.calling import CallLabel, settle
from spectral_platform.llm.errors import ProviderRejected, ProviderUnavailable
from spectral_platform.llm.purposes import Purpose
from spectral_platform.scans.cases import Case
from spectral_platform.scans.pairing import trial_composites
from spectral_platform.scans.probing import probe_headroom
from spectral_platform.scans.quoting import NOISE_CASES, Noise, holdout_repeats, show
from spectral_platform.scans.run import BASELINE, Run
from spectral_platform.scans.settings import PinnedAgent
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Trial, TrialPlan, TrialStatus
from spectral_platform.scans.verdicts.coverage import LEAST_COVERAGE, tool_use
from spectral_platform.scans.verdicts.evidence import LIMITS, evidence_level
from spectral_platform.statistics.agreement import measure_run_noise
from spectral_platform.statistics.power import PRIOR_RUN_VARIANCE, spread_of_difference
from spectral_platform.worlds.splits import Split

MOST_SCORING_ERRORS = 0.20
SHOWN_PROBLEMS = 5


async def observe(run: Run) -> None:
    """Fill in the baseline on train and dev cases, the noise, the references and the readiness."""
    found, book = run.found, run.material.book
    found.judge_untrusted = await _probe_judge(run)
    cases = (*book.select(Split.TRAIN), *book.select(Split.DEV))
    dev_samples = {case.key for case in book.select(Split.DEV, "sample")}
    for agent in run.settings.agents:
        trials = await _run_baseline(run, agent, cases)
        found.baseline[agent.agent_id] = {trial.case.key: trial for trial in trials}
        found.references[agent.agent_id] = reference_measures(
            trial.measures
            for trial in trials
            if (trial.case.key in dev_samples or not dev_samples) and trial.status is not TrialStatus.UNCOVERED
        )
    everything = [trial for trials in found.baseline.values() for trial in trials.values()]
    found.noise = await _measure_noise(run, run.settings.agents[0])
    _settle_readiness(run)
    if run.settings.explore or not found.is_capped:
        found.headroom = await probe_headroom(run)
    unscored = sum(trial.status is TrialStatus.UNSCORED for trial in everything)
    if everything and unscored / len(everything) > MOST_SCORING_ERRORS:
        found.lacks.append(f"{unscored} of {len(everything)} baseline trials could not be scored.")
    problems = Counter(trial.problem for trial in everything if trial.problem is not None)
    run.emit(
        "baseline_observed",
        f"The baseline ran on {len(cases)} cases; {unscored} could not be scored.",
        cases=len(cases),
        unscored=unscored,
        uncovered=sum(trial.status is TrialStatus.UNCOVERED for trial in everything),
        agent_errors=sum(trial.status is TrialStatus.AGENT_ERROR for trial in everything),
        problems=[{"problem": problem, "trials": trials} for problem, trials in problems.most_common(SHOWN_PROBLEMS)],
        noise=found.noise.model_dump() if found.noise else None,
        minimum_detectable_effect=run.readiness.minimum_detectable_effect,
    )


async def _run_baseline(run: Run, agent: PinnedAgent, cases: tuple[Case, ...]) -> list[Trial]:
    """The agent as it is, on every case. Where recordings answer too little of what it asks of its tools, only its next turn."""
    config, replay = run.material.configs[agent.agent_id], run.material.replay
    plan = TrialPlan(phase=Phase.OBSERVE, candidate=BASELINE, agent_id=agent.agent_id)
    trials = await run.bench.run(config, cases, plan)
    if agent.agent_id not in replay.agents:
        return trials
    use, stimuli = (tool_use(trial for trial in trials if trial.case.kind == kind) for kind in ("sample", "stimulus"))
    is_enough = min(use.coverage, stimuli.coverage) >= LEAST_COVERAGE
    said = f"Recordings answer {use.coverage:.0%} of the {use.calls} calls that {agent.name} makes of its tools"
    if stimuli.calls:
        said += f" on samples and {stimuli.coverage:.0%} of {stimuli.calls} on stimuli"
    run.emit(
        "tools_replayed",
        f"{said}, {use.near} of them nearly."
        if is_enough
        else f"{said}; {LEAST_COVERAGE:.0%} are needed, so its next turn is compared instead of its whole run.",
        subject=str(agent.agent_id),
        level="info" if is_enough else "warning",
        **use.model_dump(),
        coverage=use.coverage,
        stimuli=stimuli.model_dump(),
    )
    if is_enough:
        return trials
    replay.drop(agent.agent_id)
    return await run.bench.run(config, cases, plan)


async def _probe_judge(run: Run) -> bool:
    """Whether the judge fails more than one answer with a known verdict."""
    if not run.standard.judged:
        return False
    model = run.model(Purpose.SCORING)
    canaries = draw_canaries(run.seed)
    troubles: dict[int, str] = {}

    async def sound(position: int, canary: Canary) -> bool:
        request = build_judge_request(model, canary.criteria, canary.subject, prompt=canary.prompt)
        label = CallLabel(Phase.OBSERVE, Purpose.SCORING, candidate="canary", case_key=f"{canary.name}:{position}")
        try:
            paid = await run.caller.ask(request, label)
            return is_sound(canary, read_judgements(paid.answer.text, canary.criteria, canary.subject))
        except (ProviderUnavailable, ProviderRejected, UnreadableJudgement) as trouble:
            troubles[position] = str(trouble).rstrip(".")
            return False

    outcomes = await settle(starmap(sound, enumerate(canaries)))
    untrusted = is_judge_untrusted(outcomes)
    failed = [canary.name for canary, sound in zip(canaries, outcomes, strict=True) if not sound]
    run.emit(
        "judge_probed",
        f"The judge passed {sum(outcomes)} of {len(outcomes)} canaries."
        + (f" It failed: {', '.join(failed)}." if failed else "")
        + (f" {len(troubles)} gave no verdict at all, the first one because: {troubles[min(troubles)]}." if troubles else ""),
        level="warning" if untrusted else "info",
        passed=sum(outcomes),
        canaries=len(outcomes),
        failed=failed,
        without_verdict=len(troubles),
        untrusted=untrusted,
    )
    return untrusted


async def _measure_noise(run: Run, agent: PinnedAgent) -> Noise | None:
    """Run some training cases a second time: how much the unchanged agent differs from itself."""
    samples = run.material.book.select(Split.TRAIN, "sample") or run.material.book.select(Split.TRAIN)
    chosen = generator(run.seed, "noise").sample(samples, min(NOISE_CASES, len(samples)))
    again = await run.bench.run(
        run.material.configs[agent.agent_id],
        chosen,
        TrialPlan(phase=Phase.OBSERVE, candidate=BASELINE, first_repeat=1, agent_id=agent.agent_id),
    )
    first = run.baseline_trials(agent, tuple(chosen))
    references = run.found.references[agent.agent_id]
    pairs = [
        composites
        for one, two in zip(first, again, strict=True)
        if (composites := trial_composites(one, two, run.standard, references)) is not None
    ]
    if len(pairs) < 2:
        return None
    noise = measure_run_noise([one for one, _ in pairs], [two for _, two in pairs])
    return Noise(cases=noise.cases, disagreement=noise.disagreement, icc=noise.icc, run_variance=noise.run_variance)


def _settle_readiness(run: Run) -> None:
    """Make the readiness exact now that the noise is known, and see whether the verdict is capped already."""
    found, readiness, rigor = run.found, run.readiness, run.settings.rigor
    holdout = run.material.sealed_groups
    variance = found.noise.run_variance if found.noise else PRIOR_RUN_VARIANCE
    repeats = holdout_repeats(holdout)
    if holdout < rigor.minimum_pairs:
        found.lacks.append(f"The holdout has {holdout} cases; the workspace's autonomy asks for {rigor.minimum_pairs}.")
    if found.judge_untrusted:
        found.lacks.append("The judge failed more than one canary, so its scores cannot decide.")
    found.is_capped = bool(found.lacks)
    configs, replayed = run.material.configs, run.material.replay.agents
    levels = {evidence_level(config, is_replayed=agent_id in replayed) for agent_id, config in configs.items()}
    told = (warning for warning in readiness.warnings if warning not in LIMITS.values())
    warnings = tuple(dict.fromkeys((*told, *(LIMITS[level] for level in sorted(levels & LIMITS.keys())), *found.lacks)))
    measured = readiness.model_copy(update={"noise": found.noise, "warnings": warnings})
    run.settle_readiness(show(measured, holdout, spread_of_difference(repeats, run_variance=variance), rigor))
