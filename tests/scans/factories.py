"""Scans and what they need, made as quickly as a test can bear."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.scans.models import Scan
from spectral_platform.scans.quoting import Quote, Readiness
from spectral_platform.scans.settings import Budget, ResolvedSettings
from tests.fixtures.callers import Person


def make_settings() -> ResolvedSettings:
    """Settings of a scan of no agent in particular."""
    return ResolvedSettings(
        agents=(),
        world_model="general-agent-conduct@1.0.0",
        rubric_id=clock.new_id(),
        rubric_version=1,
        objective_id=None,
        objective_version=None,
        terms=(),
        constraints=(),
        sample_set_id=None,
        sample_set_version_id=None,
        trace_since=clock.now(),
        trace_until=clock.now(),
        budget=Budget(max_usd=Decimal(1)),
        max_candidates=1,
        strategies=(),
        explore=False,
        seed=1,
        is_seed_given=True,
        models={},
    )


async def insert_scan(session: AsyncSession, owner: Person) -> UUID:
    """A scan's row of its own, for tests below the engine."""
    scan = Scan(
        id=clock.new_id(),
        workspace_id=owner.workspace_id,
        requested_by="test",
        simulated=True,
        settings=make_settings(),
        readiness=Readiness(
            mode="full",
            curation_samples_count=0,
            evalset_available=True,
            minimum_detectable_effect=None,
            noise=None,
            quote=Quote(max_candidates=1, max_usd=None, model_calls=1),
            warnings=(),
        ),
    )
    session.add(scan)
    await session.flush()
    return scan.id
