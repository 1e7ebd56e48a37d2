"""Writing the sealed holdout: assigning splits and counting exposures."""

import secrets
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, String, any_, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.worlds.models import CaseSplit, HoldoutExposure, HoldoutRegistry
from spectral_platform.worlds.readings import keeping
from spectral_platform.worlds.splits import EXPOSURE_LIMIT, Split, choose_split

KEY_BYTES = 32


async def install_split_key(session: AsyncSession, workspace_id: UUID, key: bytes) -> None:
    """Assign the workspace's future cases by this key; those that have a split keep it."""
    async with keeping(session):
        await session.execute(
            insert(HoldoutRegistry)
            .values(workspace_id=workspace_id, split_key=key)
            .on_conflict_do_update(index_elements=[HoldoutRegistry.workspace_id], set_={"split_key": key})
        )


async def assign_splits(session: AsyncSession, workspace_id: UUID, content_groups: Collection[str]) -> None:
    """Give each content group that has none its split, for good."""
    if not content_groups:
        return
    async with keeping(session):
        key = await _split_key(session, workspace_id)
        # In one order, so that two scans that assign the same groups never wait for each other in a ring.
        rows = [
            {"workspace_id": workspace_id, "content_group": group, "split": choose_split(key, group)}
            for group in sorted(set(content_groups))
        ]
        await session.execute(insert(CaseSplit).on_conflict_do_nothing(), rows)


async def record_exposure(session: AsyncSession, workspace_id: UUID, scan_id: UUID, content_groups: Collection[str]) -> None:
    """Count that these content groups of the holdout served in a scan's verdict.

    For real verdicts only: a simulated one teaches nothing about a real agent. A group that has served in as many verdicts as
    it may goes to train.
    """
    if not content_groups:
        return
    async with keeping(session):
        await _expose(session, workspace_id, scan_id, content_groups)


async def _expose(session: AsyncSession, workspace_id: UUID, scan_id: UUID, content_groups: Collection[str]) -> None:
    among = any_(cast(list(content_groups), ARRAY(String)))
    own = (CaseSplit.workspace_id == workspace_id) & (CaseSplit.content_group == among)
    # Locked, so that of two verdicts at once the second sees the first one's count.
    await session.execute(select(CaseSplit.content_group).where(own).order_by(CaseSplit.content_group).with_for_update())
    rows = [{"workspace_id": workspace_id, "content_group": group, "scan_id": scan_id} for group in sorted(set(content_groups))]
    await session.execute(insert(HoldoutExposure).on_conflict_do_nothing(), rows)
    spent = (
        select(HoldoutExposure.content_group)
        .where(HoldoutExposure.workspace_id == workspace_id, HoldoutExposure.content_group == among)
        .group_by(HoldoutExposure.content_group)
        .having(func.count() >= EXPOSURE_LIMIT)
    )
    await session.execute(
        update(CaseSplit)
        .where(own, CaseSplit.split == Split.HOLDOUT, CaseSplit.content_group.in_(spent))
        .values(split=Split.TRAIN)
        .execution_options(synchronize_session=False)
    )


async def _split_key(session: AsyncSession, workspace_id: UUID) -> bytes:
    """The workspace's key, drawn at its first use."""
    await session.execute(
        insert(HoldoutRegistry)
        .values(workspace_id=workspace_id, split_key=secrets.token_bytes(KEY_BYTES))
        .on_conflict_do_nothing()
    )
    statement = select(HoldoutRegistry.split_key).where(HoldoutRegistry.workspace_id == workspace_id)
    return (await session.execute(statement)).scalar_one()
