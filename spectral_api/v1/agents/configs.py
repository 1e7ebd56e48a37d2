"""Endpoints of what agents run with: the labelled config, versions, differences, promotion and rendering."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Path, Query, Response

from spectral_api.dependencies import CurrentSettings, CurrentWatch, Database, DatabaseHolder, release_session
from spectral_api.etags import ConditionalRead, ConditionalWrite, etag
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.agents import schemas
from spectral_api.v1.callers import AgentReader, Approver, Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.agents import commands, queries
from spectral_platform.agents.diffs import ConfigDiff, diff_configs, unified_text
from spectral_platform.agents.errors import (
    AgentNotFound,
    ConfigChanged,
    ConfigNotLabelled,
    ConfigVersionNotFound,
    PlaceholderUndeclared,
    PromptTooLong,
    SecretHeadersUnknown,
)
from spectral_platform.agents.rendering import render_request
from spectral_platform.agents.templates.errors import ManagedTemplateDiffers, ManagedTemplateUnknown
from spectral_platform.agents.versions import Label
from spectral_platform.agents.watching import wait_for_config
from spectral_platform.core.outbound import OutboundRefused

DIFF_MEDIA_TYPE = "text/x-diff"
LARGEST_VERSION = 2_147_483_647
LONGEST_WAIT_SECONDS = 30

router = Router(prefix=IN_WORKSPACE + "/agents/{agent_id}", tags=["Agents"])


Version = Annotated[int, Path(ge=1, le=LARGEST_VERSION, description="The version, counted from 1.")]


@router.get(
    "/config",
    response_model=schemas.Config,
    summary="Get the config to run with",
    responses=workspace_problems(AgentNotFound, ConfigNotLabelled)
    | {304: {"description": "The caller holds the current config already."}},
)
async def get_config(
    agent_id: UUID,
    caller: AgentReader,
    database: Database,
    holder: DatabaseHolder,
    watch: CurrentWatch,
    conditional: ConditionalRead,
    label: Annotated[Label, Query(description="The label whose version is wanted.")] = Label.PRODUCTION,
    wait_s: Annotated[
        int,
        Query(
            ge=0, le=LONGEST_WAIT_SECONDS, description="With `If-None-Match`: how long to wait for another config, in seconds."
        ),
    ] = 0,
) -> Any:
    """Fetch what the agent is to run with. Agents poll this with `If-None-Match`; a 304 says that nothing changed.

    With `wait_s` a caller who holds the current config is answered when there is another one, or with 304 after that time. So
    an agent that asks again and again learns of a change within milliseconds, and asks twice a minute. Who holds no config, or
    an outdated one, is answered at once.
    """
    found = await queries.get_config(database, caller, agent_id, label=label)
    if wait_s and found.fingerprint in conditional.held:
        await release_session(database, holder)
        found = await wait_for_config(watch, holder, caller, agent_id, label=label, held=conditional.held, wait_s=wait_s)
    return conditional.show(found)


@router.get(
    "/config/versions",
    response_model=Results[schemas.ConfigVersion],
    summary="List config versions",
    responses=workspace_problems(AgentNotFound),
)
async def list_config_versions(agent_id: UUID, caller: AgentReader, database: Database, page: PageByTime) -> Any:
    """List the immutable config versions of an agent, the newest first."""
    return envelope(await queries.list_config_versions(database, caller, agent_id, page=page))


@router.post(
    "/config/versions",
    status_code=201,
    response_model=schemas.ConfigVersion,
    summary="Add a config version",
    responses=workspace_problems(
        AgentNotFound,
        ConfigChanged,
        ManagedTemplateUnknown,
        ManagedTemplateDiffers,
        PlaceholderUndeclared,
        OutboundRefused,
        SecretHeadersUnknown,
    ),
)
async def create_config_version(
    agent_id: UUID,
    body: schemas.ConfigVersionCreate,
    caller: Writer,
    database: Database,
    settings: CurrentSettings,
    response: Response,
    conditional: ConditionalWrite,
) -> Any:
    """Add a version. It carries no label until it is promoted, so it changes neither what runs nor what is scanned."""
    version = await commands.create_config_version(
        database, caller, settings, agent_id, config=body.config, note=body.note, expected=conditional.expected
    )
    path = f"/api/v1/workspaces/{caller.workspace}/agents/{agent_id}/config/versions/{version.version}"
    response.headers["Location"] = path
    return conditional.show(version)


@router.get(
    "/config/versions/{version}",
    response_model=schemas.ConfigVersion,
    summary="Get a config version",
    responses=workspace_problems(AgentNotFound, ConfigVersionNotFound),
)
async def get_config_version(
    agent_id: UUID, version: Version, caller: AgentReader, database: Database, response: Response
) -> Any:
    """Show one config version and the labels that it carries."""
    found = await queries.get_config_version(database, caller, agent_id, version)
    response.headers["ETag"] = etag(found.fingerprint)
    return found


@router.post(
    "/config/versions/{version}/promote",
    response_model=schemas.ConfigVersion,
    summary="Promote a config version",
    responses=workspace_problems(AgentNotFound, ConfigVersionNotFound),
)
async def promote_config_version(
    agent_id: UUID, version: Version, body: schemas.Promotion, caller: Approver, database: Database
) -> Any:
    """Move a label to this version: `approved` decides what scans start from, `production` what agents fetch."""
    return await commands.promote_config_version(database, caller, agent_id, version, label=body.label)


@router.get(
    "/config/diff",
    response_model=ConfigDiff,
    summary="Compare two config versions",
    responses=workspace_problems(AgentNotFound, ConfigVersionNotFound)
    | {200: {"content": {DIFF_MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def get_config_diff(
    agent_id: UUID,
    caller: AgentReader,
    database: Database,
    before: Annotated[int, Query(alias="from", ge=1, le=LARGEST_VERSION, description="The old version.")],
    after: Annotated[int, Query(alias="to", ge=1, le=LARGEST_VERSION, description="The new version.")],
    accept: Annotated[str | None, Header(description="`text/x-diff` for one unified diff as text.")] = None,
) -> Any:
    """Compare two versions: hunks for each part of the template, old and new value for each parameter."""
    old = (await queries.get_config_version(database, caller, agent_id, before)).config
    new = (await queries.get_config_version(database, caller, agent_id, after)).config
    if accept is not None and DIFF_MEDIA_TYPE in accept:
        text = unified_text(old, new, before_name=f"v{before}", after_name=f"v{after}")
        return Response(text, media_type=DIFF_MEDIA_TYPE)
    return diff_configs(old, new)


@router.post(
    "/render",
    response_model=schemas.Rendering,
    summary="Render the messages for an input",
    responses=workspace_problems(AgentNotFound, ConfigNotLabelled, ConfigVersionNotFound, PromptTooLong),
)
async def render_agent(agent_id: UUID, body: schemas.RenderRequest, caller: AgentReader, database: Database) -> Any:
    """Show the exact messages that the agent's model would get for an input. No model is called; scans render the same way.

    The system message is the base prompt, then what `chain_of_thought` and `output_format` ask for; `examples` are earlier turns;
    the last message is the user prompt or, without one, the input. Of the context there is as much as `context_selection` lets
    in, in place of `{{context}}` or else before the input.
    """
    if body.version is None:
        version = await queries.get_config(database, caller, agent_id, label=Label.PRODUCTION)
    else:
        version = await queries.get_config_version(database, caller, agent_id, body.version)
    request = render_request(version.config, input=body.values, context=body.context)
    given = {"input", *body.values, *({"context"} if body.context else ())}
    return schemas.Rendering(
        agent_id=version.agent_id,
        version=version.version,
        model=request.model,
        messages=list(request.messages),
        tools=list(request.tools),
        json_schema=request.json_schema,
        missing_variables=[name for name in version.template.placeholders if name not in given],
    )
