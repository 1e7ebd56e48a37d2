"""Writing managed templates: each new text makes a version, and applied changesets decide which one is current."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.configuration import AgentConfig, TemplateReference
from spectral_platform.agents.templates import queries
from spectral_platform.agents.templates.errors import (
    ManagedTemplateChanged,
    ManagedTemplateInUse,
    ManagedTemplateNameTaken,
    ManagedTemplateNotFound,
)
from spectral_platform.agents.templates.models import ManagedTemplate, TemplateVersion
from spectral_platform.agents.templates.queries import with_text
from spectral_platform.agents.versions import ConfigSource
from spectral_platform.audit.commands import record
from spectral_platform.core.access import Caller
from spectral_platform.core.database import conflict_as


async def create_managed_template(
    session: AsyncSession, caller: Caller, *, name: str, text: str, description: str | None = None, note: str | None = None
) -> TemplateVersion:
    """A new managed template in its first version."""
    template = ManagedTemplate(
        workspace_id=caller.workspace, name=name, description=description, current_version=1, latest_version=0
    )
    session.add(template)
    with conflict_as("uq_managed_templates_workspace_id_name", ManagedTemplateNameTaken(name)):
        await session.flush()
    await _add_version(session, caller, template, text=text, source=ConfigSource.MANUAL, note=note)
    await record(session, caller, action="template.created", resource="template", resource_id=template.id, name=name)
    return await queries.get_managed_template(session, caller, name)


async def replace_managed_template(
    session: AsyncSession,
    caller: Caller,
    name: str,
    *,
    text: str,
    description: str | None = None,
    note: str | None = None,
    expected: Collection[str] | None = None,
) -> TemplateVersion:
    """Let a managed template say this: in a new version, which is current from now on, unless it says so already.

    Agents stay with the versions that they refer to. ``expected`` are fingerprints of which the current version must have one.
    """
    template = await _hold(session, caller, name)
    before = await _expect(session, caller, name, expected)
    if before.text == text and before.description == description:
        return before
    template.description = description
    if before.text != text:
        version = await _add_version(session, caller, template, text=text, source=ConfigSource.MANUAL, note=note)
        template.current_version = version.version
    await session.flush()
    detail = {"name": name, "version": template.current_version}
    await record(session, caller, action="template.updated", resource="template", resource_id=template.id, **detail)
    return await queries.get_managed_template(session, caller, name)


async def delete_managed_template(
    session: AsyncSession, caller: Caller, name: str, *, expected: Collection[str] | None = None
) -> None:
    """Delete a managed template that no agent uses. Older config versions that refer to it keep its text."""
    template = await _hold(session, caller, name)
    await _expect(session, caller, name, expected)
    if uses := await queries.list_template_uses(session, caller, name):
        raise ManagedTemplateInUse(name, list(dict.fromkeys(use.agent_name for use in uses)))
    await session.delete(template)
    await session.flush()
    await record(session, caller, action="template.deleted", resource="template", resource_id=template.id, name=name)


async def write_back(
    session: AsyncSession, caller: Caller, config: AgentConfig, *, changeset_id: UUID, note: str | None
) -> AgentConfig:
    """Make what a changeset says in place of a managed template a version of that, and let the config refer to it.

    The version is not current until the changeset is applied. Where the template was deleted the text is the config's own.
    """
    reference = config.template.managed_template
    if reference is None:
        return config
    text = config.template.base_prompt
    try:
        template = await _hold(session, caller, reference.name)
        before = await queries.get_managed_template(session, caller, reference.name, version=reference.version)
    except ManagedTemplateNotFound:
        return with_text(config, text, None)
    if before.text == text:
        return config
    version = await _add_version(
        session, caller, template, text=text, source=ConfigSource.CHANGESET, note=note, changeset_id=changeset_id
    )
    return with_text(config, text, TemplateReference(name=reference.name, version=version.version))


async def move_current(session: AsyncSession, caller: Caller, *, before: AgentConfig, after: AgentConfig) -> None:
    """Make the version that the one config refers to current in place of the other's.

    Where neither is about the same template, or somebody has made a third version current, nothing happens: agents refer to
    versions, so what runs does not depend on it.
    """
    old, new = before.template.managed_template, after.template.managed_template
    if old is None or new is None or old.name != new.name or old.version == new.version:
        return
    await session.execute(
        update(ManagedTemplate)
        .where(ManagedTemplate.workspace_id == caller.workspace, ManagedTemplate.name == old.name)
        .where(ManagedTemplate.current_version == old.version)
        .values(current_version=new.version)
        .execution_options(synchronize_session=False)
    )


async def _hold(session: AsyncSession, caller: Caller, name: str) -> ManagedTemplate:
    """The managed template; nobody else can change it or come to refer to it until the transaction ends."""
    found = await session.scalar(
        ManagedTemplate.in_workspace(caller.workspace)
        .where(ManagedTemplate.name == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise ManagedTemplateNotFound(name)
    return found


async def _expect(session: AsyncSession, caller: Caller, name: str, expected: Collection[str] | None) -> TemplateVersion:
    current = await queries.get_managed_template(session, caller, name)
    if expected is not None and current.fingerprint not in expected:
        raise ManagedTemplateChanged(name, current.version)
    return current


async def _add_version(
    session: AsyncSession,
    caller: Caller,
    template: ManagedTemplate,
    *,
    text: str,
    source: ConfigSource,
    note: str | None = None,
    changeset_id: UUID | None = None,
) -> TemplateVersion:
    template.latest_version += 1
    version = TemplateVersion(
        workspace_id=template.workspace_id,
        template_id=template.id,
        version=template.latest_version,
        text=text,
        source=source,
        author_kind=caller.kind,
        author_id=caller.id,
        note=note,
        changeset_id=changeset_id,
    )
    session.add(version)
    await session.flush()
    return version
