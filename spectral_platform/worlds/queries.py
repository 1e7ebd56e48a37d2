"""Reading the sealed holdout: for the engine alone, no route shows membership."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Row, String, and_, any_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.worlds.models import CaseSplit, HoldoutExposure
from spectral_platform.worlds.readings import Reading, confine, keeping
from spectral_platform.worlds.splits import EXPOSURE_WARNING, Split, SplitCounts


async def count_splits(
    session: AsyncSession, workspace_id: UUID, sizes: Mapping[str, int], *, before: datetime | None = None
) -> SplitCounts:
    """How many cases are in each split, of content groups with their numbers of cases; groups never assigned are in none.

    Only verdicts ``before`` this moment count: a scan that is resumed finds what it found at first.
    """
    async with keeping(session):
        rows = await _served(session, workspace_id, sizes, before=before)
    counts = dict.fromkeys(Split, 0)
    for row in rows:
        counts[row.split] += sizes[row.content_group]
    served = [row.served for row in rows if row.split is Split.HOLDOUT]
    return SplitCounts(
        train=counts[Split.TRAIN],
        dev=counts[Split.DEV],
        holdout=counts[Split.HOLDOUT],
        groups=len(served),
        fresh=served.count(0),
        worn=sum(times >= EXPOSURE_WARNING for times in served),
    )


async def list_splits(session: AsyncSession, workspace_id: UUID, content_groups: Sequence[str]) -> dict[str, Split]:
    """The splits of the content groups, as far as the transaction may read them."""
    statement = select(CaseSplit.content_group, CaseSplit.split).where(
        CaseSplit.workspace_id == workspace_id,
        CaseSplit.content_group == any_(cast(list(content_groups), ARRAY(String))),
    )
    return {row[0]: row[1] for row in await session.execute(statement)}


async def open_holdout(
    session: AsyncSession, workspace_id: UUID, scan_id: UUID, content_groups: Sequence[str], *, before: datetime
) -> dict[str, int]:
    """Those of the content groups that are in the holdout, each with the number of verdicts it served in ``before``.

    The transaction may read the holdout from here on. There is nothing in it unless the scan runs and has frozen its finalist.
    """
    await confine(session, Reading.HOLDOUT, scan_id=scan_id)
    rows = await _served(session, workspace_id, content_groups, before=before)
    return {row.content_group: row.served for row in rows if row.split is Split.HOLDOUT}


async def _served(
    session: AsyncSession, workspace_id: UUID, content_groups: Iterable[str], *, before: datetime | None
) -> Sequence[Row[str, Split, int]]:
    """The split of each content group and in how many verdicts it has served."""
    exposed = and_(
        HoldoutExposure.workspace_id == CaseSplit.workspace_id, HoldoutExposure.content_group == CaseSplit.content_group
    )
    if before is not None:
        exposed &= HoldoutExposure.at < before
    statement = (
        select(CaseSplit.content_group, CaseSplit.split, func.count(HoldoutExposure.scan_id).label("served"))
        .outerjoin(HoldoutExposure, exposed)
        .where(
            CaseSplit.workspace_id == workspace_id,
            CaseSplit.content_group == any_(cast(list(content_groups), ARRAY(String))),
        )
        .group_by(CaseSplit.content_group, CaseSplit.split)
    )
    return (await session.execute(statement)).all()
