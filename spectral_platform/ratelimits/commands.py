"""Forgetting windows that are over."""

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.ratelimits.models import RateWindow


async def prune_rate_windows(session: AsyncSession) -> None:
    """Forget the windows that are over."""
    await session.execute(delete(RateWindow).where(RateWindow.ends_at < func.now()).execution_options(synchronize_session=False))
