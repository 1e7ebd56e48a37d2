"""Bodies of the workspaces' endpoints."""

from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from spectral_api.schemas import Input, Output, Time
from spectral_platform.workspaces.models import DEFAULT_WORLD_MODEL

NAME = Field(description="Name of the workspace.", min_length=1, max_length=200, examples=["Support"])
WORLD_MODEL = "The domain standard that scans hold agents to, beside the workspace's own rubric."


class WorkspaceCreate(Input):
    """A new workspace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Support"}]})

    name: str = NAME
    world_model: str = Field(default=DEFAULT_WORLD_MODEL, description=WORLD_MODEL, max_length=200)


class WorkspaceUpdate(Input):
    """Changes to a workspace; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Customer support"}]})

    name: str = Field(default="", description="Name of the workspace.", min_length=1, max_length=200)
    world_model: str = Field(default=DEFAULT_WORLD_MODEL, description=WORLD_MODEL, max_length=200)


class Workspace(Output):
    """A workspace."""

    id: UUID = Field(description="The workspace.")
    account_id: UUID = Field(description="The account that owns it.")
    name: str = NAME
    world_model: str = Field(description=WORLD_MODEL, examples=[DEFAULT_WORLD_MODEL])
    scan_defaults: dict[str, Any] = Field(description="What a scan uses where its request says nothing.")
    created_at: Time = Field(description="When it was made.")
    updated_at: Time = Field(description="When it was last changed.")
