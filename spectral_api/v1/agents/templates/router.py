"""Endpoints of managed templates."""

from typing import Annotated, Any

from fastapi import Path, Query, Response

from spectral_api.dependencies import Database
from spectral_api.etags import ConditionalRead, ConditionalWrite, etag
from spectral_api.paging import PageByName, PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.agents.templates import schemas
from spectral_api.v1.callers import AgentReader, Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.agents.templates import commands, queries
from spectral_platform.agents.templates.errors import (
    ManagedTemplateChanged,
    ManagedTemplateInUse,
    ManagedTemplateNameTaken,
    ManagedTemplateNotFound,
)

router = Router(prefix=IN_WORKSPACE + "/agents/templates", tags=["Agents"])
Name = Annotated[
    str,
    Path(pattern=schemas.NAME_PATTERN, max_length=schemas.LONGEST_NAME, description="The managed template's name."),
]


@router.get("", response_model=Results[schemas.TemplateVersion], summary="List managed templates", responses=workspace_problems())
async def list_managed_templates(caller: AgentReader, database: Database, page: PageByName) -> Any:
    """List the prompt texts that agents of this workspace share, each in its current version."""
    return envelope(await queries.list_managed_templates(database, caller, page=page))


@router.post(
    "",
    status_code=201,
    response_model=schemas.TemplateVersion,
    summary="Create a managed template",
    responses=workspace_problems(ManagedTemplateNameTaken),
)
async def create_managed_template(
    body: schemas.ManagedTemplateCreate, caller: Writer, database: Database, response: Response
) -> Any:
    """Keep prompt text under a name. A config refers to it by `template.managed_template` instead of having a `base_prompt`."""
    created = await commands.create_managed_template(database, caller, **dict(body))
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/agents/templates/{created.name}"
    response.headers["ETag"] = etag(created.fingerprint)
    return created


@router.get(
    "/{template_name}",
    response_model=schemas.ManagedTemplate,
    summary="Get a managed template",
    responses=workspace_problems(ManagedTemplateNotFound) | {304: {"description": "The caller holds this version already."}},
)
async def get_managed_template(
    template_name: Name,
    caller: AgentReader,
    database: Database,
    conditional: ConditionalRead,
    version: Annotated[
        int | None, Query(ge=1, le=2_147_483_647, description="Which version; without it, the current one.")
    ] = None,
) -> Any:
    """Show a managed template, and who uses it. The entity tag stands for its version and description, not for its users."""
    found = conditional.show(await queries.get_managed_template(database, caller, template_name, version=version))
    if isinstance(found, Response):
        return found
    uses = await queries.list_template_uses(database, caller, template_name)
    shown = schemas.TemplateVersion.model_validate(found).model_dump()
    return schemas.ManagedTemplate(**shown, used_by=[schemas.TemplateUse.model_validate(use) for use in uses])


@router.get(
    "/{template_name}/versions",
    response_model=Results[schemas.TemplateVersion],
    summary="List versions of a managed template",
    responses=workspace_problems(ManagedTemplateNotFound),
)
async def list_template_versions(template_name: Name, caller: AgentReader, database: Database, page: PageByTime) -> Any:
    """List the immutable versions of a managed template, the newest first."""
    return envelope(await queries.list_template_versions(database, caller, template_name, page=page))


@router.put(
    "/{template_name}",
    response_model=schemas.TemplateVersion,
    summary="Replace a managed template",
    responses=workspace_problems(ManagedTemplateNotFound, ManagedTemplateChanged),
)
async def replace_managed_template(
    template_name: Name, body: schemas.ManagedTemplateReplace, caller: Writer, database: Database, conditional: ConditionalWrite
) -> Any:
    """Write a new version and make it current. Agents stay with the versions that their configs refer to.

    The same text again makes no version.
    """
    written = await commands.replace_managed_template(
        database, caller, template_name, **dict(body), expected=conditional.expected
    )
    return conditional.show(written)


@router.delete(
    "/{template_name}",
    status_code=204,
    summary="Delete a managed template",
    responses=workspace_problems(ManagedTemplateNotFound, ManagedTemplateInUse, ManagedTemplateChanged),
)
async def delete_managed_template(template_name: Name, caller: Writer, database: Database, conditional: ConditionalWrite) -> None:
    """Delete a managed template that no agent uses: none refers to it in its newest config, nor in one that carries a label.

    Older config versions that refer to it keep its text.
    """
    await commands.delete_managed_template(database, caller, template_name, expected=conditional.expected)
