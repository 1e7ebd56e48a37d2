"""Counting failed attempts and making those wait who fail too often.

An attempt is checked before its password is looked at and again, under the row's lock, when its outcome is about to be told.
So of many guesses at once no more are answered than of the same guesses one after the other, and people who all come in at
once with the right password are not counted at all.
"""

from collections.abc import Sequence

from sqlalchemy import Delete, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.auth.lockout.errors import TooManyAttempts
from spectral_platform.auth.lockout.models import FailedAttempts
from spectral_platform.auth.lockout.subjects import Subject
from spectral_platform.core import clock

FORGOTTEN_AT_ONCE = 20


async def refuse_locked(session: AsyncSession, subjects: Sequence[Subject]) -> None:
    """Raise ``TooManyAttempts`` if one of the subjects has to wait."""
    moment = clock.now()
    digests = [subject.digest for subject in subjects]
    waits_until = await session.scalars(
        select(FailedAttempts.locked_until).where(FailedAttempts.subject.in_(digests), FailedAttempts.locked_until > moment)
    )
    latest = max(waits_until, default=None)
    if latest is not None:
        raise TooManyAttempts(latest - moment)


async def count_attempt(session: AsyncSession, subjects: Sequence[Subject]) -> None:
    """Count an attempt that failed, or that costs something however it ends. Raises ``TooManyAttempts`` instead for who waits."""
    for subject in subjects:
        attempts = await _hold(session, subject)
        moment = clock.now()
        if attempts.locked_until > moment:
            raise TooManyAttempts(attempts.locked_until - moment)
        attempts.failures = 1 if attempts.forgotten_at <= moment else attempts.failures + 1
        attempts.locked_until = moment + subject.rule.wait(attempts.failures)
        attempts.forgotten_at = attempts.locked_until + subject.rule.forgotten_after
    await session.flush()
    await _forget_old(session)


async def forgive(session: AsyncSession, subjects: Sequence[Subject]) -> None:
    """Forget what failed under the first subject, now that the right password came. Raises ``TooManyAttempts`` for who waits.

    The client address stays what it is: who has one account of their own could else try all others for free.
    """
    await refuse_locked(session, subjects)
    by_email = subjects[:1]
    await session.execute(_of(by_email[0]).where(FailedAttempts.locked_until <= clock.now()))
    await refuse_locked(session, by_email)


async def forget(session: AsyncSession, subject: Subject) -> None:
    """Forget what failed, wait and all."""
    await session.execute(_of(subject))


def _of(subject: Subject) -> Delete:
    return delete(FailedAttempts).where(FailedAttempts.subject == subject.digest)


async def _hold(session: AsyncSession, subject: Subject) -> FailedAttempts:
    """The subject's row, made if need be, which nobody else changes until the transaction ends."""
    moment = clock.now()
    fresh = insert(FailedAttempts).values(
        subject=subject.digest, failures=0, locked_until=moment, forgotten_at=moment + subject.rule.forgotten_after
    )
    held = fresh.on_conflict_do_update(index_elements=["subject"], set_={"subject": fresh.excluded.subject})
    rows = await session.scalars(held.returning(FailedAttempts), execution_options={"populate_existing": True})
    return rows.one()


async def _forget_old(session: AsyncSession) -> None:
    """Delete some rows that mean nothing any more, so that the table stays as small as what it counts."""
    old = (
        select(FailedAttempts.subject)
        .where(FailedAttempts.forgotten_at < clock.now())
        .limit(FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(FailedAttempts).where(FailedAttempts.subject.in_(old)))
