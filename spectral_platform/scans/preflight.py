"""What a scan would do, found out before it starts and by arithmetic alone: choices made, versions pinned, readiness, quote."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.configuration import AgentConfig, Execution
from spectral_platform.agents.endpoints import open_secret_headers
from spectral_platform.agents.queries import AgentFilter, get_agent, get_config, list_agents
from spectral_platform.agents.replaying import execution_purpose
from spectral_platform.agents.states import AgentStatus
from spectral_platform.agents.versions import Label
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.errors import NotFoundError
from spectral_platform.core.outbound import OutboundRefused
from spectral_platform.core.paging import PageRequest
from spectral_platform.core.settings import Settings
from spectral_platform.evaluations.asking import votes_of
from spectral_platform.evaluations.calibration.queries import has_labelled_pairs
from spectral_platform.evaluations.comparing import compares as compares_by_meaning
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.llm_judge import LlmJudge
from spectral_platform.evaluations.judging import JudgePrompt
from spectral_platform.evaluations.objectives.models import Objective
from spectral_platform.evaluations.objectives.queries import find_default_objective, get_objective
from spectral_platform.evaluations.rubrics.models import RubricVersion
from spectral_platform.evaluations.rubrics.queries import find_newest_rubric, get_rubric_version
from spectral_platform.evaluations.trajectories.queries import count_tool_turns
from spectral_platform.llm.families import model_family
from spectral_platform.llm.prices import price_asked
from spectral_platform.llm.providers.availability import is_simulated, provider_name, require_providers
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.queries import find_profile
from spectral_platform.optimizers.arms import list_arms
from spectral_platform.optimizers.gepa_engine import is_installed
from spectral_platform.samples.models import SampleSetVersion
from spectral_platform.samples.queries import count_version_groups, find_published_version
from spectral_platform.scans.conversing import MOST_TURNS
from spectral_platform.scans.errors import MixedSimulation, ScanNotPossible
from spectral_platform.scans.quoting import Shape
from spectral_platform.scans.reckoning import Plan, reckon
from spectral_platform.scans.settings import (
    DEFAULT_CANDIDATES,
    DEFAULT_STRATEGIES,
    DEFAULT_WINDOW_DAYS,
    PROPOSING,
    SEEDS,
    TEXT_STRATEGIES,
    Budget,
    PinnedAgent,
    ResolvedSettings,
    ScanSettings,
    SearchStrategy,
    TraceWindow,
)
from spectral_platform.scans.verdicts.evidence import LIMITS, evidence_level, is_replayable
from spectral_platform.workspaces.commands import hold_workspace
from spectral_platform.workspaces.policies.autonomy import Autonomy
from spectral_platform.workspaces.policies.prices import Prices
from spectral_platform.workspaces.policies.queries import find_policy, get_policy
from spectral_platform.workspaces.queries import get_workspace
from spectral_platform.worlds.commands import assign_splits
from spectral_platform.worlds.queries import count_splits

MOST_AGENTS = 20
SIMULATED_MODELS = {Purpose.SCORING: "sim/judge", Purpose.REASONING: "sim/proposer"}


async def plan_scan(session: AsyncSession, caller: Caller, server: Settings, request: ScanSettings) -> Plan:
    """Fill in everything absent, refuse what cannot work, and reckon up the rest.

    Raises ``ScanNotPossible``, ``BudgetTooSmall``, ``ProviderUnconfigured``, ``MixedSimulation`` or ``SecretHeadersUnreadable``.
    """
    workspace = await get_workspace(session, caller)
    asked = with_defaults(workspace.scan_defaults, request)
    agents = await _pin_agents(session, caller, server, asked.agent_ids)
    objective = await _choose_objective(session, caller, asked.objective_id)
    rubric = await _choose_rubric(session, caller, asked.rubric_id, objective)
    with named("samples"):
        version = await find_published_version(session, caller.workspace, asked.sample_set_id)
    strategies = tuple(dict.fromkeys(asked.strategies or DEFAULT_STRATEGIES))
    if SearchStrategy.GEPA in strategies and not is_installed():
        raise ScanNotPossible("The strategy gepa needs its package: install spectral-api[gepa].", missing=["gepa"])
    agent_models = tuple(dict.fromkeys(asked.agent_models or ())) if SearchStrategy.ARMS in strategies else ()
    judges = [dimension for dimension in rubric.dimensions if isinstance(dimension.evaluator, LlmJudge)]
    configs = [config for _, config in agents]
    await open_secret_headers(session, caller.workspace, server.seal, configs)  # better refused now than when the scan runs
    models = await _choose_models(
        session,
        caller,
        server,
        configs,
        judged=bool(judges),
        agent_models=agent_models,
        proposes=not PROPOSING.isdisjoint(strategies),
        compares=compares_by_meaning(rubric.dimensions),
    )
    window = asked.trace_window or _last_days()
    settings = ResolvedSettings(
        agents=tuple(agent for agent, _ in agents),
        world_model=workspace.world_model,
        rubric_id=rubric.rubric_id,
        rubric_version=rubric.version,
        objective_id=objective.id if objective else None,
        objective_version=objective.version if objective else None,
        terms=objective.terms if objective else (),
        constraints=objective.constraints if objective else (),
        sample_set_id=version.sample_set_id if version else None,
        sample_set_version_id=version.id if version else None,
        trace_since=window.since,
        trace_until=window.until,
        budget=asked.budget or Budget(),
        max_candidates=asked.max_candidates or DEFAULT_CANDIDATES,
        strategies=strategies,
        agent_models=agent_models,
        explore=bool(asked.explore),
        seed=secrets.randbelow(SEEDS) if asked.seed is None else asked.seed,
        is_seed_given=asked.seed is not None,
        notify=asked.notify,
        models=models,
        autonomy=(await get_policy(session, caller, Autonomy)).mode,
    )
    shape, warnings = await _shape(session, caller, version, configs, judges, settings)
    calling = {agent.agent_id for agent, config in agents if is_replayable(config)}
    turns = await count_tool_turns(session, caller, calling, since=settings.trace_since, until=settings.trace_until)
    shape = shape.model_copy(update={"turns": min(MOST_TURNS, max((1 + each for each in turns.values()), default=1))})
    if Purpose.CUSTOMER_REPLAY in models:
        warnings.append("Agents behind endpoints of their own cost what they report; the quote counts one model call for each.")
    levels = {evidence_level(config, is_replayed=agent.agent_id in turns) for agent, config in agents}
    warnings += [LIMITS[level] for level in sorted(levels & LIMITS.keys())]
    warnings += _family_warnings(models.get(Purpose.SCORING), [*_models_of(configs), *agent_models])
    if asked.agent_models and not agent_models:
        warnings.append("Other models for the agents are tried by the strategy arms alone, which was not asked for.")
    own = await find_policy(session, caller.workspace, Prices)

    def price(model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        served_by = provider_name(server, model)
        return price_asked(model, provider=served_by, own=own, input_tokens=input_tokens, output_tokens=output_tokens)

    return reckon(settings, shape, warnings, configs, version, price)


def with_defaults(defaults: dict[str, Any], request: ScanSettings) -> ScanSettings:
    """What is asked for, where what the request does not name is as in the defaults."""
    asked = {**defaults, **request.model_dump(mode="json", exclude_unset=True)}
    if asked.get("budget") is not None:  # a limit that the request does not name keeps the workspace's
        asked["budget"] = {**(defaults.get("budget") or {}), **asked["budget"]}
    return ScanSettings.model_validate(asked)


@contextmanager
def named(thing: str) -> Iterator[None]:
    """Refuse a request that names what is not there; the scan itself was asked for at a place that exists."""
    try:
        yield
    except NotFoundError as absent:
        raise ScanNotPossible(absent.detail, missing=[thing]) from absent


async def check_named(session: AsyncSession, caller: Caller, asked: ScanSettings) -> None:
    """Raise ``ScanNotPossible`` if the settings name something that the workspace does not have.

    Until the transaction ends nobody deletes a rubric or an objective, so that what was found here may be named.
    """
    await hold_workspace(session, caller)
    with named("agents"):
        for agent_id in asked.agent_ids or ():
            await get_agent(session, caller, agent_id)
    if asked.objective_id is not None:
        await _choose_objective(session, caller, asked.objective_id)
    if asked.rubric_id is not None:
        await _choose_rubric(session, caller, asked.rubric_id, None)
    with named("samples"):
        await find_published_version(session, caller.workspace, asked.sample_set_id)


async def _pin_agents(
    session: AsyncSession, caller: Caller, server: Settings, agent_ids: tuple[UUID, ...] | None
) -> list[tuple[PinnedAgent, AgentConfig]]:
    if agent_ids is None:
        page = await list_agents(
            session, caller, filter=AgentFilter(status=AgentStatus.ACTIVE), page=PageRequest(limit=200, sort="created_at")
        )
        found = [agent for agent in page.results if agent.approved_version is not None][:MOST_AGENTS]
        if not found:
            raise ScanNotPossible(
                "No agent has an approved config: declare one with its config, or confirm an inferred one and promote a version.",
                missing=["agents"],
            )
    else:
        with named("agents"):
            named_agents = [await get_agent(session, caller, agent_id) for agent_id in dict.fromkeys(agent_ids)]
            found = list({agent.id: agent for agent in named_agents}.values())  # an alias stands for the agent
        unready = [agent.name for agent in found if agent.status is AgentStatus.PENDING or agent.approved_version is None]
        if unready:
            raise ScanNotPossible(f"No approved config to start from: {', '.join(unready)}.", missing=["config"])
    pinned = []
    for agent in found:
        version = await get_config(session, caller, agent.id, label=Label.APPROVED)
        _check_endpoint(server, agent.name, version.execution)
        pin = PinnedAgent(agent_id=agent.id, name=agent.name, base_version=version.version)
        pinned.append((pin, version.config))
    return pinned


def _check_endpoint(server: Settings, name: str, execution: Execution | None) -> None:
    """Raise ``ScanNotPossible`` if an agent runs behind an endpoint that is not named or may not be called."""
    if execution is None or execution.kind != "http":
        return
    if execution.url is None:
        raise ScanNotPossible(f"{name} is of kind http and names no url.", missing=["execution"])
    try:
        server.outbound.check(str(execution.url))
    except OutboundRefused as error:
        raise ScanNotPossible(f"The endpoint of {name} may not be called. {error.detail}", missing=["execution"]) from error


async def _choose_objective(session: AsyncSession, caller: Caller, objective_id: UUID | None) -> Objective | None:
    if objective_id is not None:
        with named("objective"):
            return await get_objective(session, caller, objective_id)
    return await find_default_objective(session, caller.workspace)


async def _choose_rubric(
    session: AsyncSession, caller: Caller, rubric_id: UUID | None, objective: Objective | None
) -> RubricVersion:
    wanted = rubric_id or (objective.rubric_id if objective else None)
    if wanted is not None:
        with named("rubric"):
            return await get_rubric_version(session, caller.workspace, wanted)
    newest = await find_newest_rubric(session, caller.workspace)
    if newest is None:
        raise ScanNotPossible("There is no rubric to hold answers to; create one first.", missing=["rubric"])
    return newest


async def _choose_models(
    session: AsyncSession,
    caller: Caller,
    server: Settings,
    configs: list[AgentConfig],
    *,
    agent_models: Sequence[str],
    judged: bool,
    proposes: bool,
    compares: bool,
) -> dict[Purpose, str]:
    """The model of every purpose that the scan has. The simulator comes in only where an agent or the workspace names it."""
    agents = [*_models_of(configs), *agent_models]
    chosen = await find_profile(session, caller.workspace)
    if chosen is None:
        real = server.usual_model or agents[0]
        everything_simulated = all(is_simulated(model) for model in agents)
        chosen = SIMULATED_MODELS if everything_simulated else {Purpose.SCORING: real, Purpose.REASONING: real}
    needed = [purpose for purpose, wanted in ((Purpose.SCORING, judged), (Purpose.REASONING, proposes)) if wanted]
    if missing := [purpose for purpose in needed if purpose not in chosen]:
        raise ScanNotPossible(f"The workspace's model profile names no model for {', '.join(missing)}.", missing=["models"])
    models = {purpose: chosen[purpose] for purpose in needed}
    embedding_model = chosen.get(Purpose.EMBEDDING)
    # Without one, words are compared. The simulator embeds nothing, and a scan on it asks no real model.
    if compares and embedding_model is not None and not any(is_simulated(model) for model in (embedding_model, *agents)):
        models[Purpose.EMBEDDING] = embedding_model
    every = list(dict.fromkeys([*agents, *models.values()]))
    if len({is_simulated(model) for model in every}) > 1:
        raise MixedSimulation(every)
    asked = {execution_purpose(config): config.hyperparameters.model for config in reversed(configs)}
    called = _models_of(config for config in configs if execution_purpose(config) is Purpose.AGENT_TURN)
    require_providers(server, dict.fromkeys([*called, *(agent_models if called else ()), *models.values()]))
    return {**asked, **models}


async def _shape(
    session: AsyncSession,
    caller: Caller,
    version: SampleSetVersion | None,
    configs: list[AgentConfig],
    judges: list[Dimension],
    settings: ResolvedSettings,
) -> tuple[Shape, list[str]]:
    sizes = await count_version_groups(session, caller.workspace, version.id) if version else {}
    await assign_splits(session, caller.workspace, sizes)
    counts = await count_splits(session, caller.workspace, sizes)
    minimum_pairs = settings.rigor.minimum_pairs
    serving = counts.in_verdict(minimum_pairs, is_seed_given=settings.is_seed_given)
    warnings = []
    if counts.worn:
        warnings.append(f"{counts.worn} holdout cases have served in ten verdicts or more; add new samples to replace them.")
    if serving < counts.groups:
        warnings.append(f"{serving} of {counts.groups} holdout cases will serve, so that half of them are new to verdicts.")
    if serving < minimum_pairs:
        more = round((minimum_pairs - serving) / 0.4)
        warnings.append(
            f"The holdout has {serving} different cases; a verdict asks for {minimum_pairs}: publish about {more} more samples."
        )
    shape = Shape(
        agents=len(configs),
        train=counts.train,
        dev=counts.dev,
        holdout=round(counts.holdout * serving / counts.groups) if counts.groups else 0,
        holdout_groups=serving,
        selection_votes=sum(votes_of(judge, JudgePrompt.SELECTION) for judge in judges),
        verdict_votes=sum(votes_of(judge, JudgePrompt.VERDICT) for judge in judges),
        writes=not TEXT_STRATEGIES.isdisjoint(settings.strategies),
        has_proposer=Purpose.REASONING in settings.models,
        has_gepa=SearchStrategy.GEPA in settings.strategies,
        comparisons=int(Purpose.EMBEDDING in settings.models),
        arms=max(len(list_arms(config, settings.agent_models)) for config in configs)
        if SearchStrategy.ARMS in settings.strategies
        else 0,
        has_labels=bool(judges)
        and await has_labelled_pairs(
            session, caller.workspace, rubric_id=settings.rubric_id, rubric_version=settings.rubric_version
        ),
    )
    return shape, warnings


def _models_of(configs: Iterable[AgentConfig]) -> list[str]:
    return [config.hyperparameters.model for config in configs]


def _family_warnings(judge: str | None, agents: Iterable[str]) -> list[str]:
    """A judge of the family of a model that an agent may run on likes what its relatives write."""
    if judge is None or is_simulated(judge):
        return []
    family = model_family(judge)
    if family not in map(model_family, agents):
        return []
    return [f"Judge and agent are both of the family {family}; a judge of another family has other blind spots."]


def _last_days() -> TraceWindow:
    until = clock.now()
    return TraceWindow(since=until - timedelta(days=DEFAULT_WINDOW_DAYS), until=until)
