"""Bodies of the managed templates' endpoints."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from spectral_api.schemas import Input, Output, Time
from spectral_platform.agents.placeholders import misplaced
from spectral_platform.agents.versions import Author, ConfigSource, Label

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
LONGEST_NAME = 100
TEXT = "The prompt text; placeholders are written `{{name}}`."
NOTE = "Why there is this version; null = not said."
DESCRIPTION = "What the template is for; null = not said."
EXAMPLE_TEXT = "You answer questions about orders for {{company}}. Cite the article that you use."


def _placeholders_are_whole(text: str) -> str:
    line = misplaced(text)
    if line is not None:
        raise ValueError(f"`{{{{` in line {line} opens no placeholder: one is written `{{{{name}}}}`, and a name is one word")
    return text


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200_000), AfterValidator(_placeholders_are_whole)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class ManagedTemplateReplace(Input):
    """What a managed template is to say."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": f"{EXAMPLE_TEXT} Be brief.", "note": "Is brief."}]})

    text: Text = Field(description=TEXT)
    description: Short | None = Field(default=None, description=DESCRIPTION)
    note: Short | None = Field(default=None, description=NOTE)


class ManagedTemplateCreate(ManagedTemplateReplace):
    """A new managed template."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "support-tone", "text": EXAMPLE_TEXT}]})

    name: Name = Field(description="What it is referred to by: letters, digits, `.`, `_` and `-`; unique in the workspace.")


class TemplateVersion(Output):
    """A managed template in one version."""

    id: UUID = Field(description="The template.")
    name: str = Field(description="What it is referred to by.", examples=["support-tone"])
    description: str | None = Field(description=DESCRIPTION)
    version: int = Field(description="The version that is shown, counted from 1.")
    current_version: int = Field(description="The version that the name alone stands for.")
    latest_version: int = Field(
        description="The newest version. It is not current where it comes from a changeset that is not applied."
    )
    text: str = Field(description=TEXT, examples=[EXAMPLE_TEXT])
    variables: list[str] = Field(description="The names of its placeholders, in order.", examples=[["company"]])
    source: ConfigSource = Field(description="What made the version.")
    author: Author = Field(description="Who made it.")
    note: str | None = Field(description=NOTE)
    changeset_id: UUID | None = Field(description="The changeset that it comes from; null = none.")
    created_at: Time = Field(description="When the version was made.")


class TemplateUse(Output):
    """A config version that refers to the template and is its agent's newest, or carries labels."""

    agent_id: UUID = Field(description="The agent.")
    agent_name: str = Field(description="Its name.")
    config_version: int = Field(description="The agent's config version.")
    template_version: int = Field(description="The version of the template that it refers to.")
    labels: list[Label] = Field(description="The labels that the config version carries.")


class ManagedTemplate(TemplateVersion):
    """A managed template in one version, and who uses it in whatever version."""

    used_by: list[TemplateUse] = Field(description="The agents that use the template, by name.")
