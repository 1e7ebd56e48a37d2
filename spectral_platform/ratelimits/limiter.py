"""Counting requests in fixed windows that all processes share; a bucket's window begins with its first request.

A process takes a share of a bucket's quota from Postgres in one statement, a hundredth at a time, and spends it from memory: most
requests ask nobody, and a busy bucket's row is written a hundred times a window at most by those who get something. All that was
handed out together never exceeds the quota; what a process took and did not spend by the window's end is lost to the others. A
bucket that is used up is refused from memory until its window ends.
"""

import asyncio
import time
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil

from sqlalchemy import text

from spectral_platform.core.crypto import keyed_digest
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings

SHARES = 100
"""A process takes so many parts of a quota one by one."""
MOST_BUCKETS = 10_000
TAKE = text(
    """
    INSERT INTO rate_windows AS held (bucket, ends_at, used)
    VALUES (:bucket, clock_timestamp() + make_interval(secs => :window), :wanted)
    ON CONFLICT (bucket) DO UPDATE SET
        used = CASE WHEN held.ends_at > clock_timestamp() THEN held.used ELSE 0 END + excluded.used,
        ends_at = CASE WHEN held.ends_at > clock_timestamp() THEN held.ends_at ELSE excluded.ends_at END
    RETURNING used, extract(epoch FROM ends_at - clock_timestamp())::float
    """
)


@dataclass(frozen=True, slots=True)
class Policy:
    """So many requests in a window of so many seconds; a quota of 0 is no limit."""

    name: str
    quota: int
    window_s: int = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a bucket stands after a request."""

    policy: Policy
    is_allowed: bool
    remaining: int
    resets_in_s: int


@dataclass(slots=True)
class Share:
    """What this process may still spend of a bucket, and what is left for everybody, until a moment of the monotonic clock."""

    own: int = 0
    others: int = 0
    ends: float = 0.0
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limiter:
    """Counts requests over connections of its own, so that it never waits for a request that waits for it."""

    def __init__(self, database_url: str, settings: Settings) -> None:
        self._database = Database(database_url, pool_size=1)
        self._settings = settings
        self._shares: dict[str, Share] = {}
        self._bucket = lru_cache(maxsize=MOST_BUCKETS)(self._bucket_of)

    async def count(self, policy: Policy, whom: str) -> Standing:
        """Count one request of somebody: the standing says whether it is allowed. Only a digest of ``whom`` is stored."""
        bucket = self._bucket(policy.name, whom)
        share = self._share(bucket)
        if share.own == 0 or share.ends <= time.monotonic():
            async with share.taking:
                if share.ends <= time.monotonic() or (share.own == 0 and share.others > 0):
                    await self._take(policy, bucket, share)
        is_allowed = share.own > 0
        share.own -= is_allowed
        resets_in_s = max(1, ceil(share.ends - time.monotonic()))
        return Standing(policy, is_allowed, share.own + share.others, resets_in_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    def _bucket_of(self, policy: str, whom: str) -> str:
        return f"{policy}:{keyed_digest(self._settings.secret.encode(), 'rate limit', whom).hex()}"

    def _share(self, bucket: str) -> Share:
        """The bucket's share, which is now the last to be forgotten. What is forgotten is lost to its window, no more."""
        share = self._shares.pop(bucket, None) or Share()
        self._shares[bucket] = share
        if len(self._shares) > MOST_BUCKETS:
            del self._shares[next(iter(self._shares))]
        return share

    async def _take(self, policy: Policy, bucket: str, share: Share) -> None:
        wanted = max(1, policy.quota // SHARES)
        async with self._database.transaction() as session:
            row = await session.execute(TAKE, {"bucket": bucket, "window": policy.window_s, "wanted": wanted})
            used, seconds = row.one()
        share.own = min(max(policy.quota - (used - wanted), 0), wanted)
        share.others = max(policy.quota - used, 0)
        share.ends = time.monotonic() + seconds
