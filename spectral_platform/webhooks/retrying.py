"""When a delivery is tried again: the schedule of Standard Webhooks, which ends after three days."""

import random
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long after each try the next one follows (Standard Webhooks 1.0.0, example retry schedule)."""
JITTER = 0.1
LONGEST_WAIT = timedelta(hours=24)
_jitter = random.SystemRandom()


def next_try(tries: int, moment: datetime, retry_after: str | None) -> datetime | None:
    """When to try again after so many tries in vain; None = never.

    Up to a tenth is added at random, so that what failed together does not come back together. A receiver that names a later
    time in ``Retry-After`` (RFC 9110 10.2.3) is waited for, a day at most.
    """
    if tries > len(WAITS):
        return None
    wait = WAITS[tries - 1] * _jitter.uniform(1, 1 + JITTER)
    return moment + max(wait, min(_asked_for(retry_after, moment), LONGEST_WAIT))


def _asked_for(retry_after: str | None, moment: datetime) -> timedelta:
    if not retry_after:
        return timedelta()
    if retry_after.isdecimal():
        return timedelta(seconds=min(int(retry_after[:9]), LONGEST_WAIT.total_seconds()))
    try:
        asked = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):  # numbers without end are a date to nobody
        return timedelta()
    return asked - moment if asked.tzinfo else timedelta()
