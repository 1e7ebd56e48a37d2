"""The seed of a scan that was given none: one whose sealed stimuli do not resemble what the last scans of the workspace asked.

What a scan asks follows from its seed alone, so the questions of earlier scans are made again from their seeds instead of being
kept. A scan with a seed of its own reads nothing of earlier ones.
"""

import asyncio
import functools
import secrets
from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.samples.near_duplicates import shingles
from spectral_platform.scans.cases import fresh_stimuli
from spectral_platform.scans.models import Scan
from spectral_platform.scans.settings import SEEDS, ResolvedSettings
from spectral_platform.worlds.rules import load_world
from spectral_platform.worlds.splits import Split
from spectral_platform.worlds.stimuli import share_of_repeats

EARLIER_SCANS = 5
MOST_REPEATS = 0.10
"""So many of a scan's sealed stimuli may have a near twin among those that one earlier scan asked."""
DRAWS = 8


async def settle_seed(session: AsyncSession, workspace_id: UUID, settings: ResolvedSettings) -> ResolvedSettings:
    """The settings with a seed that repeats little of the last scans, unless the request gave one."""
    if settings.is_seed_given:
        return settings
    same_world = func.jsonb_extract_path_text(Scan.settings, "world_model") == settings.world_model
    newest = (
        select(Scan.settings)
        .where(Scan.workspace_id == workspace_id, same_world)
        .order_by(Scan.created_at.desc(), Scan.id.desc())
        .limit(EARLIER_SCANS)
    )
    earlier = [scan.seed for scan in await session.scalars(newest)]
    seed = await asyncio.to_thread(draw_seed, settings.world_model, earlier, settings.seed)
    return settings.model_copy(update={"seed": seed})


def draw_seed(
    world_model: str, earlier: Sequence[int], first: int, draw: Callable[[], int] = lambda: secrets.randbelow(SEEDS)
) -> int:
    """``first``, or another seed where too many of its sealed stimuli have a near twin in what one of the earlier seeds asked.

    After some draws it is the one that repeats least.
    """
    asked = [[grams for split in Split for grams in _grams(world_model, seed, split)] for seed in earlier]
    repeats: dict[int, float] = {}
    for seed in (first, *(draw() for _ in range(DRAWS - 1))):
        sealed = _grams(world_model, seed, Split.HOLDOUT)
        repeats[seed] = max((share_of_repeats(sealed, one) for one in asked), default=0.0)
        if repeats[seed] <= MOST_REPEATS:
            return seed
    return min(repeats, key=repeats.__getitem__)


@functools.lru_cache(maxsize=256)
def _grams(world_model: str, seed: int, split: Split) -> tuple[frozenset[str], ...]:
    return tuple(shingles(case.stimulus.text) for case in fresh_stimuli(load_world(world_model), seed, split) if case.stimulus)
