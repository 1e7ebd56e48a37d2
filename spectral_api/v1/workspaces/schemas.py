"""Bodies of the workspaces' endpoints."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from spectral_api.schemas import Input, Output, Time
from spectral_platform.scans.settings import ScanSettings
from spectral_platform.workspaces.models import DEFAULT_WORLD_MODEL
from spectral_platform.worlds.rules import list_worlds

NAME = Field(description="Name of the workspace.", min_length=1, max_length=200, examples=["Support"])
WORLD_MODEL = "The domain standard that scans hold agents to, beside the workspace's own rubric."


def _known_world(reference: str) -> str:
    if reference not in list_worlds():
        raise ValueError(f"there is no such world model; there are {', '.join(list_worlds())}")
    return reference


WorldReference = Annotated[str, AfterValidator(_known_world)]


class WorkspaceCreate(Input):
    """A new workspace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Support"}]})

    name: str = NAME
    world_model: WorldReference = Field(default=DEFAULT_WORLD_MODEL, description=WORLD_MODEL, max_length=200)


class WorkspaceUpdate(Input):
    """Changes to a workspace; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Support", "scan_defaults": {"seed": 7}}]})

    name: str = Field(default="", description="Name of the workspace.", min_length=1, max_length=200)
    world_model: WorldReference = Field(default=DEFAULT_WORLD_MODEL, description=WORLD_MODEL, max_length=200)
    scan_defaults: ScanSettings = Field(
        default=ScanSettings(), description="What a scan uses where its request says nothing; the body of a scan request."
    )


class Workspace(Output):
    """A workspace."""

    id: UUID = Field(description="The workspace.")
    account_id: UUID = Field(description="The account that owns it.")
    name: str = NAME
    world_model: str = Field(description=WORLD_MODEL, examples=[DEFAULT_WORLD_MODEL])
    scan_defaults: dict[str, Any] = Field(description="What a scan uses where its request says nothing.")
    created_at: Time = Field(description="When it was made.")
    updated_at: Time = Field(description="When it was last changed.")
    deleted_at: Time | None = Field(description="When it was deleted; it can be restored for 30 days. Null = it is not.")
