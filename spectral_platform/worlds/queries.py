"""Reading the sealed holdout: for the engine alone, no route shows membership."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, String, any_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.worlds.models import CaseSplit, HoldoutExposure
from spectral_platform.worlds.splits import EXPOSURE_WARNING, Split, SplitCounts


async def count_splits(session: AsyncSession, workspace_id: UUID, content_groups: Collection[str]) -> SplitCounts:
    """How many of the content groups are in each split; groups that were never assigned are in none."""
    among = any_(cast(list(content_groups), ARRAY(String)))
    split_of = (
        select(CaseSplit.split, func.count())
        .where(CaseSplit.workspace_id == workspace_id, CaseSplit.content_group == among)
        .group_by(CaseSplit.split)
    )
    counts = {row[0]: row[1] for row in await session.execute(split_of)}
    worn = (
        select(HoldoutExposure.content_group)
        .join(
            CaseSplit,
            (CaseSplit.workspace_id == HoldoutExposure.workspace_id) & (CaseSplit.content_group == HoldoutExposure.content_group),
        )
        .where(
            HoldoutExposure.workspace_id == workspace_id,
            HoldoutExposure.content_group == among,
            CaseSplit.split == Split.HOLDOUT,
        )
        .group_by(HoldoutExposure.content_group)
        .having(func.count() >= EXPOSURE_WARNING)
    )
    return SplitCounts(
        train=counts.get(Split.TRAIN, 0),
        dev=counts.get(Split.DEV, 0),
        holdout=counts.get(Split.HOLDOUT, 0),
        worn=await session.scalar(select(func.count()).select_from(worn.subquery())) or 0,
    )


async def list_split(session: AsyncSession, workspace_id: UUID, content_groups: Collection[str], split: Split) -> frozenset[str]:
    """Those of the content groups that are in one split."""
    statement = select(CaseSplit.content_group).where(
        CaseSplit.workspace_id == workspace_id,
        CaseSplit.content_group == any_(cast(list(content_groups), ARRAY(String))),
        CaseSplit.split == split,
    )
    return frozenset(await session.scalars(statement))
