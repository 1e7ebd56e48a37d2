"""Endpoints of agents; those of their configs are in ``configs``."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from spectral_api.dependencies import CurrentSettings, Database
from spectral_api.paging import PageByName, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router, add_routes
from spectral_api.v1.agents import configs, inference, schemas
from spectral_api.v1.agents.templates import router as templates
from spectral_api.v1.callers import AgentReader, Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.agents import commands, queries
from spectral_platform.agents.errors import (
    AgentBeingScanned,
    AgentMerged,
    AgentNameTaken,
    AgentNotFound,
    ConfigsInConflict,
    DependencyCycle,
    DependencyUnknown,
    MergeIntoItself,
    PlaceholderUndeclared,
    SecretHeadersUnknown,
)
from spectral_platform.agents.templates.errors import ManagedTemplateDiffers, ManagedTemplateUnknown
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.core.outbound import OutboundRefused

router = Router(prefix=IN_WORKSPACE + "/agents", tags=["Agents"])


@router.get("", response_model=Results[schemas.Agent], summary="List agents", responses=workspace_problems())
async def list_agents(
    caller: AgentReader,
    database: Database,
    filter: Annotated[queries.AgentFilter, Query()],
    page: PageByName,
) -> Any:
    """List the agents of the workspace, those that were only seen on spans too."""
    return envelope(await queries.list_agents(database, caller, filter=filter, page=page))


@router.post(
    "",
    status_code=201,
    response_model=schemas.Agent,
    summary="Declare an agent",
    responses=workspace_problems(
        AgentNameTaken,
        DependencyUnknown,
        DependencyCycle,
        ManagedTemplateUnknown,
        ManagedTemplateDiffers,
        PlaceholderUndeclared,
        OutboundRefused,
        SecretHeadersUnknown,
    ),
)
async def create_agent(
    body: schemas.AgentCreate, caller: Writer, database: Database, settings: CurrentSettings, response: Response
) -> Any:
    """Declare an agent. Spans that carry its name are this agent's; a config given here is what runs today."""
    agent = await commands.create_agent(
        database,
        caller,
        settings,
        name=body.name,
        role=body.role,
        description=body.description,
        kind=body.kind,
        depends_on=body.depends_on,
        config=body.config,
    )
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/agents/{agent.id}"
    return agent


@router.get("/graph", response_model=schemas.AgentGraph, summary="Get the agent graph", responses=workspace_problems())
async def get_agent_graph(caller: AgentReader, database: Database) -> Any:
    """Show which agent needs which, and an order in which each comes after those that it needs."""
    return await queries.get_agent_graph(database, caller)


add_routes(router, templates.router)  # before /{agent_id}


@router.get("/{agent_id}", response_model=schemas.Agent, summary="Get an agent", responses=workspace_problems(AgentNotFound))
async def get_agent(agent_id: UUID, caller: AgentReader, database: Database) -> Any:
    """Show one agent."""
    return await queries.get_agent(database, caller, agent_id)


@router.patch(
    "/{agent_id}",
    response_model=schemas.Agent,
    summary="Change an agent",
    responses=workspace_problems(AgentNotFound, AgentNameTaken, DependencyUnknown, DependencyCycle),
)
async def update_agent(agent_id: UUID, body: schemas.AgentUpdate, caller: Writer, database: Database) -> Any:
    """Change the named fields; the others stay as they are. What the agent runs with changes by new config versions."""
    return await commands.update_agent(database, caller, agent_id, changes=body.model_dump(exclude_unset=True))


@router.delete(
    "/{agent_id}", status_code=204, summary="Delete an agent", responses=workspace_problems(AgentNotFound, AgentMerged)
)
async def delete_agent(agent_id: UUID, caller: Writer, database: Database) -> None:
    """Remove an agent with its aliases, and its place in the graph.

    Its traces and changesets stay; a new span with its name or an alias makes a new agent.
    """
    await commands.delete_agent(database, caller, agent_id)


@router.post(
    "/{agent_id}/confirm",
    response_model=schemas.Agent,
    summary="Confirm an inferred agent",
    responses=workspace_problems(AgentNotFound, InvalidTransitionError),
)
async def confirm_agent(agent_id: UUID, caller: Writer, database: Database) -> Any:
    """Take in an agent that was seen on spans: from now on it may be scanned."""
    return await commands.confirm_agent(database, caller, agent_id)


@router.post(
    "/{agent_id}/merge",
    response_model=schemas.Agent,
    summary="Merge an agent into another",
    responses=workspace_problems(
        AgentNotFound,
        AgentMerged,
        MergeIntoItself,
        AgentBeingScanned,
        ConfigsInConflict,
        DependencyCycle,
    ),
)
async def merge_agent(agent_id: UUID, body: schemas.Merge, caller: Writer, database: Database) -> Any:
    """Say that two names are one agent. The agent becomes an alias of the other one, which is the answer.

    Spans that carry its name are the other agent's from now on, and its id stands for the other agent's in every path of an
    agent; lists are filtered by the agent's own. Its dependencies, config versions (numbered on from the other agent's), scans
    and changesets go over at once, its traces within seconds; sessions and feedback come with them. Names on spans stay as they
    were sent.

    Refused while a scan of either has not ended, where the graph would get a circle, and where both have a config under the same
    label and the two differ. Sending it again changes nothing. There is no way back.
    """
    return await commands.merge_agent(database, caller, agent_id, into=body.into)


add_routes(router, configs.router, inference.router)
