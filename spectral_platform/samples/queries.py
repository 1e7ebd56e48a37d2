"""Reading sample sets, samples and published versions."""

from collections.abc import AsyncIterator, Iterable, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Select, String, any_, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.errors import SampleNotFound, SampleSetNotFound, SampleSetVersionNotFound
from spectral_platform.samples.models import PublishedSample, Sample, SampleSet, SampleSetVersion

STREAMED_AT_ONCE = 200
SET_COLUMNS = {"created_at": SampleSet.created_at, "name": SampleSet.name}
SAMPLE_COLUMNS = {"created_at": Sample.created_at}
VERSION_COLUMNS = {"created_at": SampleSetVersion.created_at}


async def list_sample_sets(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[SampleSet]:
    """The sample sets of the workspace."""
    return await paginate(session, SampleSet.in_workspace(caller.workspace), page, columns=SET_COLUMNS, tiebreak=SampleSet.id)


async def get_sample_set(session: AsyncSession, caller: Caller, sample_set_id: UUID, *, for_update: bool = False) -> SampleSet:
    """One sample set of the workspace; ``for_update`` lets nobody else change it until the transaction ends."""
    statement = SampleSet.in_workspace(caller.workspace).where(SampleSet.id == sample_set_id)
    if for_update:
        statement = statement.with_for_update(of=SampleSet).execution_options(populate_existing=True)
    sample_set = await session.scalar(statement)
    if sample_set is None:
        raise SampleSetNotFound(sample_set_id)
    return sample_set


async def list_samples(session: AsyncSession, caller: Caller, sample_set_id: UUID, *, page: PageRequest) -> Page[Sample]:
    """The samples of a set, as they are now."""
    await get_sample_set(session, caller, sample_set_id)
    statement = Sample.in_workspace(caller.workspace).where(Sample.sample_set_id == sample_set_id)
    return await paginate(session, statement, page, columns=SAMPLE_COLUMNS, tiebreak=Sample.id)


async def list_all_samples(session: AsyncSession, sample_set: SampleSet) -> Sequence[Sample]:
    """Every sample of a set, as it is now; a set's size is limited."""
    statement = Sample.in_workspace(sample_set.workspace_id).where(Sample.sample_set_id == sample_set.id)
    return (await session.scalars(statement.order_by(Sample.created_at, Sample.id))).all()


async def list_content_hashes(session: AsyncSession, sample_set: SampleSet, *, among: Iterable[str]) -> frozenset[str]:
    """Those of the content hashes that the set has."""
    statement = select(Sample.content_hash).where(
        Sample.workspace_id == sample_set.workspace_id,
        Sample.sample_set_id == sample_set.id,
        Sample.content_hash == any_(cast(list(among), ARRAY(String))),
    )
    return frozenset(await session.scalars(statement))


async def get_sample(session: AsyncSession, caller: Caller, sample_id: UUID) -> Sample:
    """One sample of the workspace, as it is now."""
    sample = await session.scalar(Sample.in_workspace(caller.workspace).where(Sample.id == sample_id))
    if sample is None:
        raise SampleNotFound(sample_id)
    return sample


async def list_sample_set_versions(
    session: AsyncSession, caller: Caller, sample_set_id: UUID, *, page: PageRequest
) -> Page[SampleSetVersion]:
    """The published versions of a set."""
    await get_sample_set(session, caller, sample_set_id)
    statement = SampleSetVersion.in_workspace(caller.workspace).where(SampleSetVersion.sample_set_id == sample_set_id)
    return await paginate(session, statement, page, columns=VERSION_COLUMNS, tiebreak=SampleSetVersion.id)


async def get_sample_set_version(session: AsyncSession, caller: Caller, sample_set_id: UUID, *, number: int) -> SampleSetVersion:
    """One published version of a set."""
    statement = SampleSetVersion.in_workspace(caller.workspace).where(
        SampleSetVersion.sample_set_id == sample_set_id, SampleSetVersion.number == number
    )
    version = await session.scalar(statement)
    if version is None:
        raise SampleSetVersionNotFound(number)
    return version


async def find_published_version(
    session: AsyncSession, workspace_id: UUID, sample_set_id: UUID | None = None
) -> SampleSetVersion | None:
    """The newest published version of one set, or of any set of the workspace; None when nothing is published."""
    statement = SampleSetVersion.in_workspace(workspace_id).order_by(
        SampleSetVersion.created_at.desc(), SampleSetVersion.id.desc()
    )
    if sample_set_id is not None:
        if not await session.scalar(select(SampleSet.in_workspace(workspace_id).where(SampleSet.id == sample_set_id).exists())):
            raise SampleSetNotFound(sample_set_id)
        statement = statement.where(SampleSetVersion.sample_set_id == sample_set_id)
    return await session.scalar(statement.limit(1))


async def list_version_samples(session: AsyncSession, workspace_id: UUID, version_id: UUID) -> Sequence[PublishedSample]:
    """All samples of a published version, in the order of their content hashes, which no id or clock decides."""
    statement = PublishedSample.in_workspace(workspace_id).where(PublishedSample.version_id == version_id)
    return (await session.scalars(statement.order_by(PublishedSample.content_hash))).all()


async def list_published_texts(session: AsyncSession, workspace_id: UUID) -> dict[str, tuple[str, str]]:
    """Every input that the workspace ever published, as text and content group by fingerprint."""
    statement = (
        PublishedSample.in_workspace(workspace_id)
        .ext(distinct_on(PublishedSample.fingerprint))
        .order_by(PublishedSample.fingerprint, PublishedSample.content_hash)
    )
    published = await session.scalars(statement)
    return {sample.fingerprint: (sample.content.input_text, sample.content_group) for sample in published}


async def stream_contents(
    session: AsyncSession, workspace_id: UUID, sample_set_id: UUID, *, version_id: UUID | None = None
) -> AsyncIterator[SampleContent]:
    """Everything in a set, as it is now or as a version froze it, without holding all of it in memory."""
    statement: Select[SampleContent]
    if version_id is None:
        statement = (
            select(Sample.content)
            .where(Sample.workspace_id == workspace_id, Sample.sample_set_id == sample_set_id)
            .order_by(Sample.created_at, Sample.id)
        )
    else:
        statement = (
            select(PublishedSample.content)
            .where(PublishedSample.workspace_id == workspace_id, PublishedSample.version_id == version_id)
            .order_by(PublishedSample.content_hash)
        )
    async for content in await session.stream_scalars(statement.execution_options(yield_per=STREAMED_AT_ONCE)):
        yield content


async def count_version_groups(session: AsyncSession, workspace_id: UUID, version_id: UUID) -> dict[str, int]:
    """How many samples of a published version are in each content group."""
    rows = await session.execute(
        select(PublishedSample.content_group, func.count())
        .where(PublishedSample.workspace_id == workspace_id, PublishedSample.version_id == version_id)
        .group_by(PublishedSample.content_group)
    )
    return {row[0]: row[1] for row in rows}
