"""Inferring an agent's template from what its model calls were sent, and saving it as a config version."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.commands import add_config_version, lock_agents
from spectral_platform.agents.configuration import AgentConfig, Example, Hyperparameters, PromptTemplate
from spectral_platform.agents.errors import AgentNotFound
from spectral_platform.agents.queries import find_newest_version, get_agent
from spectral_platform.agents.versions import ConfigSource
from spectral_platform.audit.commands import record
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.inference.apart import infer_apart
from spectral_platform.inference.errors import ScanWithoutAgent, TemplateNotInferred
from spectral_platform.inference.inferring import Inference, Inferred
from spectral_platform.inference.queries import SentPrompt, SentPrompts, list_prompts
from spectral_platform.inference.writing import Shot, Variable
from spectral_platform.scans.queries import find_scan

DEFAULT_LIMIT = 1_000
MOST_PROMPTS = 10_000
UNKNOWN_MODEL = "unknown"
AGREEING = 0.9


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A model call whose prompt the template made, and the values of its variables there."""

    trace_id: str
    span_id: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class TemplateFound:
    """One template that prompts were made from, and how well it fits."""

    template: PromptTemplate | None
    variables: Sequence[Variable]
    few_shot: Sequence[Shot]
    coverage: float
    confidence: float
    constant_share: float
    exemplars: Sequence[Exemplar]


NO_TEMPLATE = TemplateFound(None, (), (), coverage=0.0, confidence=0.0, constant_share=0.0, exemplars=())


@dataclass(frozen=True, slots=True)
class TemplateInference:
    """The template of most of an agent's prompts, further ones of the same agent, and what none of them explains."""

    agent_id: UUID
    best: TemplateFound | None
    others: Sequence[TemplateFound]
    unmatched: Sequence[SentPrompt]
    unmatched_count: int
    prompts: int
    distinct: int
    without_text: int
    is_complete: bool
    version: int | None


async def infer_template(
    database: Database,
    caller: Caller,
    agent_id: UUID,
    *,
    scan_id: UUID | None = None,
    since: datetime | None = None,
    limit: int = DEFAULT_LIMIT,
    save: bool = False,
) -> TemplateInference:
    """Read the agent's newest prompts, or those that a scan looked at, and infer what they were made from; no model is asked.

    ``save`` makes a config version of it, without labels, unless the newest version says the same. Raises ``TemplateNotInferred``
    where there is nothing to save.
    """
    async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
        agent_id = (await get_agent(session, caller, agent_id)).id  # an alias stands for the agent
        until = None
        if scan_id is not None:
            settings = (await find_scan(session, caller, scan_id)).settings
            if agent_id not in {agent.agent_id for agent in settings.agents}:
                raise ScanWithoutAgent(scan_id, agent_id)
            since, until = settings.trace_since, settings.trace_until
        sent = await list_prompts(session, caller, agent_id, since=since, until=until, limit=limit)
    inference = await infer_apart([each.prompt for each in sent.prompts]) if sent.prompts else Inference((), 0, 0, (), 0)
    found = [_found(each, sent.prompts) for each in inference.templates]
    version = None
    if save:
        if not found or (template := found[0].template) is None:
            raise TemplateNotInferred(inference.prompts)
        async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
            version = await _save(session, caller, agent_id, template, sent)
    return TemplateInference(
        agent_id=agent_id,
        best=found[0] if found else None,
        others=found[1:],
        unmatched=[sent.prompts[number] for number in inference.unmatched],
        unmatched_count=inference.unmatched_count,
        prompts=inference.prompts,
        distinct=inference.distinct,
        without_text=sent.without_text,
        is_complete=sent.is_complete,
        version=version,
    )


def _found(inferred: Inferred, prompts: Sequence[SentPrompt]) -> TemplateFound:
    template = PromptTemplate(
        base_prompt=inferred.base_prompt,
        user_prompt=inferred.user_prompt,
        variables=tuple(variable.name for variable in inferred.variables if variable.section is None),
        examples=tuple(Example(input=asked, output=answered) for asked, answered in inferred.turns),
    )
    exemplars = [
        Exemplar(prompts[each.prompt].trace_id, prompts[each.prompt].span_id, each.values) for each in inferred.exemplars
    ]
    return TemplateFound(
        template=template,
        variables=inferred.variables,
        few_shot=inferred.shots,
        coverage=inferred.coverage,
        confidence=inferred.confidence,
        constant_share=inferred.constant_share,
        exemplars=exemplars,
    )


async def _save(session: AsyncSession, caller: Caller, agent_id: UUID, template: PromptTemplate, sent: SentPrompts) -> int:
    """The version that says this: a new one, or the newest where it says the same already."""
    agent = (await lock_agents(session, caller, [agent_id])).get(agent_id)
    if agent is None:
        raise AgentNotFound(agent_id)
    newest = await find_newest_version(session, caller, agent_id)
    hyperparameters = _hyperparameters(sent.prompts) if newest is None else newest.hyperparameters
    config = AgentConfig(
        template=template, hyperparameters=hyperparameters, execution=None if newest is None else newest.execution
    )
    if newest is not None and newest.config == config:
        return newest.version
    note = f"Inferred from {len(sent.prompts)} prompts."
    version = await add_config_version(session, caller, agent, config=config, source=ConfigSource.INFERENCE, note=note)
    await record(
        session,
        caller,
        action="config.created",
        resource="agent",
        resource_id=agent_id,
        version=version.version,
        source=version.source.value,
    )
    return version.version


def _hyperparameters(prompts: Sequence[SentPrompt]) -> Hyperparameters:
    """What most of the calls asked of the model; a parameter on which they differ is left out."""
    models = Counter(each.model for each in prompts if each.model)
    model = models.most_common(1)[0][0] if models else UNKNOWN_MODEL
    agreed: dict[str, Any] = {}
    for name in {name for each in prompts for name in each.parameters}:
        asked = [each.parameters.get(name) for each in prompts if each.model == model]
        said = Counter(value if isinstance(value, int | float) else None for value in asked)  # a span may say anything
        value, count = said.most_common(1)[0]
        if value is not None and count >= AGREEING * said.total():
            agreed[name] = value
    try:
        return Hyperparameters(model=model, **agreed)
    except ValidationError:
        return Hyperparameters(model=model)
