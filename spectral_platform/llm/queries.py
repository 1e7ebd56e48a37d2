"""Reading the ledger, budgets and model profiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from spectral_platform.llm.calling import PaidAnswer
from spectral_platform.llm.messages import ModelAnswer
from spectral_platform.llm.models import ModelCall, ModelProfile, ScanBudget
from spectral_platform.llm.purposes import Purpose


@dataclass(frozen=True, slots=True)
class Spending:
    """What one group of calls came to; ``cost_usd`` is None when none of them has a price."""

    group: tuple[str, ...]
    calls: int
    cache_hits: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced_calls: int


async def load_answers(
    session: AsyncSession, workspace_id: UUID, scan_ids: Sequence[UUID], *, sealed: bool
) -> dict[str, PaidAnswer]:
    """Stored answers of these scans by their keys: what a resumed or retried scan need not ask again.

    Those about the holdout by themselves: only a transaction that may read it finds any.
    """
    rows = await session.scalars(
        ModelCall.in_workspace(workspace_id).where(ModelCall.scan_id.in_(scan_ids), ModelCall.is_sealed.is_(sealed))
    )
    return {
        row.key: PaidAnswer(
            answer=ModelAnswer(
                text=row.answer,
                tool_calls=row.tool_calls,
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
                cached_input_tokens=row.cached_input_tokens,
                reasoning_tokens=row.reasoning_tokens,
                latency_ms=row.latency_ms,
                finish_reason=row.finish_reason,
            ),
            cost_usd=row.cost_usd,
        )
        for row in rows
    }


async def has_calls_of(session: AsyncSession, workspace_id: UUID, scan_ids: Sequence[UUID], *, provider: str) -> bool:
    """Whether a provider answered any call of these scans."""
    calls = ModelCall.in_workspace(workspace_id).where(ModelCall.scan_id.in_(scan_ids), ModelCall.provider == provider)
    return bool(await session.scalar(select(calls.exists())))


async def sum_spending(
    session: AsyncSession, workspace_id: UUID, scan_id: UUID, *, by: Sequence[InstrumentedAttribute[str]]
) -> list[Spending]:
    """The scan's calls rolled up by these columns, the dearest first."""
    cost: ColumnElement[Decimal | None] = func.sum(ModelCall.cost_usd)
    rows = await session.execute(
        select(
            *by,
            func.count(),
            func.coalesce(func.sum(ModelCall.hits), 0),
            func.sum(ModelCall.input_tokens),
            func.sum(ModelCall.cached_input_tokens),
            func.sum(ModelCall.output_tokens),
            cost,
            func.count().filter(ModelCall.cost_usd.is_(None)),
        )
        .where(ModelCall.workspace_id == workspace_id, ModelCall.scan_id == scan_id)
        .group_by(*by)
        .order_by(cost.desc().nulls_last(), *by)
    )
    width = len(by)
    return [Spending(tuple(row)[:width], *tuple(row)[width:]) for row in rows]


async def get_budget(session: AsyncSession, workspace_id: UUID, scan_id: UUID) -> ScanBudget:
    """The scan's budget."""
    statement = ScanBudget.in_workspace(workspace_id).where(ScanBudget.scan_id == scan_id)
    return (await session.scalars(statement)).one()


async def find_profile(session: AsyncSession, workspace_id: UUID) -> dict[Purpose, str] | None:
    """The workspace's own choice of models; None when it made none."""
    return await session.scalar(select(ModelProfile.purposes).where(ModelProfile.workspace_id == workspace_id))
