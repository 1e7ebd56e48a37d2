"""Making, filling and publishing sample sets."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core.access import Caller
from spectral_platform.core.database import conflict_as
from spectral_platform.samples import queries
from spectral_platform.samples.content import MOST_TAGS, SampleContent, version_hash
from spectral_platform.samples.curation import curate
from spectral_platform.samples.errors import SampleDuplicated, SampleSetEmpty
from spectral_platform.samples.intake import LARGEST_SET, Addition, Intake, in_batches
from spectral_platform.samples.models import PublishedSample, Sample, SampleSet, SampleSetVersion
from spectral_platform.samples.near_duplicates import fingerprint, group_near_duplicates
from spectral_platform.samples.parsing import AcceptedLine, Line
from spectral_platform.traces.selection import TraceFilter
from spectral_platform.workspaces.commands import hold_workspace


async def create_sample_set(session: AsyncSession, caller: Caller, *, name: str, description: str | None) -> SampleSet:
    """A new, empty set."""
    sample_set = SampleSet(workspace_id=caller.workspace, name=name, description=description)
    session.add(sample_set)
    await session.flush()
    await record(session, caller, action="sample_set.created", resource="sample_set", resource_id=sample_set.id, name=name)
    return await queries.get_sample_set(session, caller, sample_set.id)


async def update_sample_set(session: AsyncSession, caller: Caller, sample_set_id: UUID, *, changes: dict[str, Any]) -> SampleSet:
    """Change the named fields of a set."""
    sample_set = await queries.get_sample_set(session, caller, sample_set_id)
    for field, value in changes.items():
        setattr(sample_set, field, value)
    await session.flush()
    await record(
        session,
        caller,
        action="sample_set.updated",
        resource="sample_set",
        resource_id=sample_set_id,
        fields=sorted(changes),
    )
    return sample_set


async def delete_sample_set(session: AsyncSession, caller: Caller, sample_set_id: UUID) -> None:
    """Erase a set with its samples and all that was published of it."""
    sample_set = await queries.get_sample_set(session, caller, sample_set_id)
    await session.delete(sample_set)
    await session.flush()
    await record(
        session,
        caller,
        action="sample_set.deleted",
        resource="sample_set",
        resource_id=sample_set_id,
        name=sample_set.name,
    )


async def add_samples(session: AsyncSession, caller: Caller, sample_set_id: UUID, *, lines: Iterable[Line]) -> Addition:
    """Store the lines that are samples and new to the set; say of each other line why it was not stored.

    The lines are taken some at a time in another thread, so they may be read from a file of any size while they are stored: all
    of them in this transaction or, if they come to an end in an error, none.
    """
    sample_set = await queries.get_sample_set(session, caller, sample_set_id, for_update=True)
    intake = Intake(room=LARGEST_SET - sample_set.sample_count)
    remaining = in_batches(lines)
    while batch := await asyncio.to_thread(next, remaining, None):
        hashes = {line.content.content_hash for line in batch if isinstance(line, AcceptedLine)}
        known = await queries.list_content_hashes(session, sample_set, among=hashes - intake.lines_of.keys())
        if rows := [_new_sample(sample_set, content) for content in intake.admit(batch, known)]:
            await session.execute(insert(Sample), rows)
    await record(
        session,
        caller,
        action="samples.created",
        resource="sample_set",
        resource_id=sample_set_id,
        created=intake.created,
        rejected=intake.rejected_count,
    )
    return intake.addition


async def curate_samples(
    session: AsyncSession, caller: Caller, sample_set_id: UUID, *, where: TraceFilter, dedupe: bool, at_most: int
) -> tuple[int, dict[str, str]]:
    """Make samples of traces. Answers how many, and for each trace that was refused the reason."""
    sample_set = await queries.get_sample_set(session, caller, sample_set_id, for_update=True)
    contents, reasons = await curate(session, caller, sample_set, where=where, dedupe=dedupe, at_most=at_most)
    lines = [AcceptedLine(line=number, content=content) for number, content in enumerate(contents.values())]
    added = await add_samples(session, caller, sample_set_id, lines=lines)
    trace_ids = list(contents)
    return added.created, reasons | {trace_ids[refused.line]: refused.reason for refused in added.rejected}


async def add_traces(
    session: AsyncSession,
    caller: Caller,
    sample_set_id: UUID,
    *,
    trace_ids: Sequence[str],
    tags: tuple[str, ...],
    dedupe: bool,
    at_most: int,
) -> tuple[int, dict[str, str]]:
    """Make tagged samples of these traces. Answers how many, and for each trace that was refused the reason."""
    sample_set = await queries.get_sample_set(session, caller, sample_set_id, for_update=True)
    contents, reasons = await curate(
        session, caller, sample_set, where=TraceFilter(), among=trace_ids, dedupe=dedupe, at_most=at_most
    )
    tagged = [content.model_copy(update={"tags": (*tags, *content.tags)[:MOST_TAGS]}) for content in contents.values()]
    lines = [AcceptedLine(line=number, content=content) for number, content in enumerate(tagged)]
    added = await add_samples(session, caller, sample_set_id, lines=lines)
    made_of = list(contents)
    return added.created, reasons | {made_of[refused.line]: refused.reason for refused in added.rejected}


async def update_sample(session: AsyncSession, caller: Caller, sample_id: UUID, *, changes: dict[str, Any]) -> Sample:
    """Change the named fields of a sample. What was published of it stays as it was."""
    sample = await queries.get_sample(session, caller, sample_id)
    # As `add_samples` does, so that what it found to be new stays new until it is stored.
    await queries.get_sample_set(session, caller, sample.sample_set_id, for_update=True)
    sample.content = SampleContent.model_validate({**sample.content.model_dump(), **changes})
    sample.content_hash = sample.content.content_hash
    with conflict_as("uq_samples_sample_set_id_content_hash", SampleDuplicated(sample_id)):
        await session.flush()
    await record(session, caller, action="sample.updated", resource="sample", resource_id=sample_id, fields=sorted(changes))
    return sample


async def delete_sample(session: AsyncSession, caller: Caller, sample_id: UUID) -> None:
    """Take a sample out of its set. What was published of it stays."""
    sample = await queries.get_sample(session, caller, sample_id)
    await session.delete(sample)
    await session.flush()
    await record(session, caller, action="sample.deleted", resource="sample", resource_id=sample_id)


async def publish_sample_set(session: AsyncSession, caller: Caller, sample_set_id: UUID) -> tuple[SampleSetVersion, bool]:
    """Freeze the set as it is now in a new version, or give the newest one when nothing has changed since.

    Near-duplicates get one content group, those of earlier versions and of other sets included, so that no scan learns from a
    case that it is judged by. One publication at a time in a workspace: each sees the groups of the one before.
    """
    await hold_workspace(session, caller)
    sample_set = await queries.get_sample_set(session, caller, sample_set_id, for_update=True)
    samples = await queries.list_all_samples(session, sample_set)
    if not samples:
        raise SampleSetEmpty(sample_set_id)
    digest = version_hash([sample.content for sample in samples])
    newest = await queries.find_published_version(session, caller.workspace, sample_set_id)
    if newest is not None and newest.content_hash == digest:
        return newest, False
    version = SampleSetVersion(
        workspace_id=caller.workspace,
        sample_set_id=sample_set_id,
        number=(sample_set.published_version or 0) + 1,
        content_hash=digest,
        sample_count=len(samples),
    )
    sample_set.published_version = version.number
    session.add(version)
    await session.flush()
    published = await queries.list_published_texts(session, caller.workspace)
    rows = await asyncio.to_thread(_freeze, version, samples, published)
    await session.execute(insert(PublishedSample), rows)
    await record(
        session,
        caller,
        action="sample_set.published",
        resource="sample_set",
        resource_id=sample_set_id,
        version=version.number,
        content_hash=digest,
    )
    return version, True


def _new_sample(sample_set: SampleSet, content: SampleContent) -> dict[str, Any]:
    return {
        "workspace_id": sample_set.workspace_id,
        "sample_set_id": sample_set.id,
        "content": content,
        "content_hash": content.content_hash,
    }


def _freeze(version: SampleSetVersion, samples: Sequence[Sample], published: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """The rows of a version: copies of the samples with their content groups. Slow for large sets: not for the event loop."""
    texts = {sample.id: sample.content.input_text for sample in samples}
    fingerprints = {sample_id: fingerprint(text) for sample_id, text in texts.items()}
    new = {fingerprints[sample_id]: text for sample_id, text in texts.items() if fingerprints[sample_id] not in published}
    groups = {key: group for key, (_, group) in published.items()} | group_near_duplicates(new, published)
    return [
        {
            "workspace_id": version.workspace_id,
            "version_id": version.id,
            "content_hash": sample.content_hash,
            "sample_id": sample.id,
            "fingerprint": fingerprints[sample.id],
            "content_group": groups[fingerprints[sample.id]],
            "content": sample.content,
        }
        for sample in samples
    ]
