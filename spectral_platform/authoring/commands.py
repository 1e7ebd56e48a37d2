"""Writing rubrics from what was observed: drafting one for an agent, deciding on suggestions for one in use."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.authoring import queries
from spectral_platform.authoring.drafting import DraftedDimension, Observed, draft_dimensions
from spectral_platform.authoring.errors import SuggestionDecided, SuggestionNotFound
from spectral_platform.authoring.models import SuggestionDecision
from spectral_platform.authoring.proposing import Proposal, ProposalUnreadable, proposal_request, read_proposal
from spectral_platform.authoring.queries import SuggestionView
from spectral_platform.authoring.suggesting import suggest
from spectral_platform.authoring.suggestions import Suggestion, SuggestionStatus, apply_changes
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.errors import SpectralError
from spectral_platform.core.settings import Settings
from spectral_platform.evaluations.rubrics.commands import create_rubric, update_rubric
from spectral_platform.evaluations.rubrics.errors import RubricChanged
from spectral_platform.evaluations.rubrics.models import RubricVersion
from spectral_platform.evaluations.rubrics.queries import get_rubric, hold_rubric
from spectral_platform.llm.calling import CallLabel, ModelCaller
from spectral_platform.llm.providers.availability import has_real_provider, is_replayed
from spectral_platform.llm.providers.catalogue import open_providers
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.purse import Purse
from spectral_platform.llm.queries import find_profile
from spectral_platform.workspaces.policies.prices import Prices
from spectral_platform.workspaces.policies.queries import find_policy
from spectral_platform.workspaces.queries import get_workspace
from spectral_platform.worlds.rules import WorldModel, load_world

MOST_USD = Decimal(1)
"""What a draft may cost at most, so that no model costs more than somebody would expect."""
LONGEST_S = 60


@dataclass(frozen=True, slots=True)
class RubricDraft:
    """A rubric that could be created. ``model`` is None where rules wrote all of it, and ``note`` says why they did."""

    name: str
    description: str
    agent_id: UUID
    drafted: tuple[DraftedDimension, ...]
    model: str | None
    note: str
    cost_usd: Decimal | None
    rubric: RubricVersion | None


@dataclass(frozen=True, slots=True)
class _Written:
    """What a model was asked and gave; the cost is None when it was not asked, or has no known price."""

    proposal: Proposal | None
    note: str
    cost_usd: Decimal | None


async def generate_rubric(
    database: Database, caller: Caller, server: Settings, *, agent_id: UUID, goal: str | None, save: bool
) -> RubricDraft:
    """Draft a rubric for the agent; with ``save`` it becomes one. No transaction is open while a model is asked.

    Raises ``AgentNotFound``.
    """
    async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
        observed = await queries.observe_agent(session, caller, agent_id)
        world = load_world((await get_workspace(session, caller)).world_model)
        model = _reasoning_model(await find_profile(session, caller.workspace), server)
        prices = await find_policy(session, caller.workspace, Prices)
    drafted = draft_dimensions(observed, world, goal)
    written = (
        _Written(None, "No real model is configured for reasoning; rules wrote the draft.", None)
        if model is None
        else await _ask(server, model, prices, observed, world, goal, drafted)
    )
    proposal = written.proposal
    name = (proposal.name if proposal else "") or f"Quality of {observed.agent_name}"[:200]
    about = (proposal.description if proposal else "") or f"Drafted for {observed.agent_name}. {goal or ''}".strip()[:4000]
    dimensions = proposal.drafted if proposal else drafted
    async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
        rubric = None
        if save:
            rubric = await create_rubric(
                session,
                caller,
                name=name,
                description=about,
                agent_id=agent_id,
                dimensions=tuple(item.dimension for item in dimensions),
            )
        else:
            by = {"model": model if proposal else None, "cost_usd": None if written.cost_usd is None else str(written.cost_usd)}
            await record(session, caller, action="rubric.drafted", resource="agent", resource_id=agent_id, **by)
    return RubricDraft(
        name=name,
        description=about,
        agent_id=agent_id,
        drafted=dimensions,
        model=model if proposal else None,
        note=written.note,
        cost_usd=written.cost_usd,
        rubric=rubric,
    )


async def accept_suggestion(
    session: AsyncSession, caller: Caller, rubric_id: UUID, suggestion_id: UUID, *, expected: Collection[str] | None = None
) -> SuggestionView:
    """Write the rubric's next version as the suggestion says. ``expected`` are fingerprints of which the newest must have one.

    Raises ``RubricNotFound``, ``RubricChanged``, ``SuggestionNotFound`` or ``SuggestionDecided``.
    """
    newest, suggestion = await _find_pending(session, caller, rubric_id, suggestion_id, SuggestionStatus.ACCEPTED, expected)
    dimensions = apply_changes(newest.dimensions, suggestion.changes)
    made = await update_rubric(session, caller, rubric_id, changes={"dimensions": dimensions})
    return await _decide(session, made, suggestion, SuggestionStatus.ACCEPTED)


async def dismiss_suggestion(session: AsyncSession, caller: Caller, rubric_id: UUID, suggestion_id: UUID) -> SuggestionView:
    """Say that the suggestion is not wanted; for the same reason it does not come again.

    Raises ``RubricNotFound``, ``SuggestionNotFound`` or ``SuggestionDecided``.
    """
    newest, suggestion = await _find_pending(session, caller, rubric_id, suggestion_id, SuggestionStatus.DISMISSED, None)
    view = await _decide(session, newest, suggestion, SuggestionStatus.DISMISSED)
    await record(
        session,
        caller,
        action="rubric.suggestion_dismissed",
        resource="rubric",
        resource_id=rubric_id,
        suggestion_id=str(suggestion_id),
        kind=suggestion.kind,
    )
    return view


async def _find_pending(
    session: AsyncSession,
    caller: Caller,
    rubric_id: UUID,
    suggestion_id: UUID,
    to: SuggestionStatus,
    expected: Collection[str] | None,
) -> tuple[RubricVersion, Suggestion]:
    """The suggestion as the evidence is now. The rubric is held, so that of two who decide at once the second is refused."""
    await hold_rubric(session, caller, rubric_id)
    decision = await queries.find_decision(session, caller, rubric_id, suggestion_id)
    if decision is not None:
        raise SuggestionDecided(decision.status, to)
    newest = await get_rubric(session, caller, rubric_id)
    if expected is not None and newest.fingerprint not in expected:
        raise RubricChanged(rubric_id, newest.version)
    found = await asyncio.to_thread(suggest, await queries.load_grounds(session, caller, newest))
    suggestion = next((each for each in found if each.id == suggestion_id), None)
    if suggestion is None:
        raise SuggestionNotFound(suggestion_id)
    return newest, suggestion


async def _decide(
    session: AsyncSession, rubric: RubricVersion, suggestion: Suggestion, status: SuggestionStatus
) -> SuggestionView:
    decision = SuggestionDecision(
        workspace_id=rubric.workspace_id,
        rubric_id=rubric.rubric_id,
        suggestion_id=suggestion.id,
        status=status,
        suggestion=suggestion,
        version=rubric.version,
    )
    session.add(decision)
    await session.flush()
    return SuggestionView(suggestion, rubric.rubric_id, status, rubric.version, decision.decided_at)


def _reasoning_model(profile: dict[Purpose, str] | None, server: Settings) -> str | None:
    """The workspace's model for reasoning, else the server's; None where only the simulator would answer, which cannot read."""
    model = server.usual_model if profile is None else profile.get(Purpose.REASONING)
    return model if model is not None and has_real_provider(server, model) else None


async def _ask(
    server: Settings,
    model: str,
    prices: Prices | None,
    observed: Observed,
    world: WorldModel,
    goal: str | None,
    drafted: tuple[DraftedDimension, ...],
) -> _Written:
    """Ask while somebody waits; without an answer there is the draft of the rules."""
    request = proposal_request(model, observed, world, goal, drafted)
    purse = Purse(max_usd=MOST_USD, max_calls=1)
    try:
        async with asyncio.timeout(LONGEST_S), open_providers(server) as providers:
            caller = ModelCaller(providers, purse, known={}, concurrency=1, prices=prices)
            paid = await caller.ask(request, CallLabel("generate", Purpose.REASONING))
    except TimeoutError:
        return _Written(None, f"{model} did not answer within {LONGEST_S} s, so rules wrote the draft.", purse.spent_usd or None)
    except SpectralError as refusal:
        return _Written(None, f"{model} gave no answer, so rules wrote the draft: {refusal.detail}", None)
    try:
        proposal = read_proposal(paid.answer.text, drafted)
    except ProposalUnreadable as error:
        return _Written(None, f"{model} gave nothing usable, so rules wrote the draft: {error}", paid.cost_usd)
    by = f"{model}, replayed from a cassette," if is_replayed(server, model) else model
    return _Written(proposal, f"{by} wrote the judged dimensions; rules wrote those that programs check.", paid.cost_usd)
