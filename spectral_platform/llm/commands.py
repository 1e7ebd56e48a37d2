"""Opening budgets, taking scans over and choosing models."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.llm.models import ModelProfile, ScanBudget
from spectral_platform.llm.purposes import Purpose


async def open_budget(
    session: AsyncSession,
    *,
    workspace_id: UUID,
    scan_id: UUID,
    max_usd: Decimal,
    max_calls: int,
    held_usd: Decimal,
    held_calls: int,
) -> None:
    """Give a scan its budget, of which the held share is kept for the holdout."""
    session.add(
        ScanBudget(
            workspace_id=workspace_id,
            scan_id=scan_id,
            max_usd=max_usd,
            max_calls=max_calls,
            held_usd=held_usd,
            held_calls=held_calls,
        )
    )
    await session.flush()


async def charge_abandoned(session: AsyncSession, *, workspace_id: UUID, scan_id: UUID, attempt: int) -> None:
    """Charge what is still reserved, whose calls nobody waits for any more, and let only ``attempt`` write from here on."""
    await session.execute(
        update(ScanBudget)
        .where(ScanBudget.workspace_id == workspace_id, ScanBudget.scan_id == scan_id)
        .values(
            attempt=attempt,
            spent_usd=ScanBudget.spent_usd + ScanBudget.reserved_usd,
            spent_calls=ScanBudget.spent_calls + ScanBudget.reserved_calls,
            reserved_usd=Decimal(0),
            reserved_calls=0,
        )
        .execution_options(synchronize_session=False)
    )


async def choose_models(session: AsyncSession, *, workspace_id: UUID, purposes: dict[Purpose, str]) -> None:
    """Name the workspace's model for each purpose."""
    statement = insert(ModelProfile).values(workspace_id=workspace_id, purposes=purposes)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["workspace_id"], set_={"purposes": statement.excluded.purposes})
    )
