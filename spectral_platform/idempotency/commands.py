"""Carrying a request out once: its answer is kept in the transaction that carries it out, so both are there or neither.

Where that takes more than one transaction, because a model is asked in between, the claim is kept until the answer is there.
"""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.idempotency.claims import Answer, Claim
from spectral_platform.idempotency.errors import IdempotencyKeyReused, RequestInProgress
from spectral_platform.idempotency.models import KeptAnswer

KEPT_FOR = timedelta(hours=24)
CARRIED_OUT_WITHIN = timedelta(minutes=10)
"""Longer than any request takes that is carried out beyond the transaction in which it was claimed."""
UNANSWERED = ""
"""What is sealed for such a request until it has its answer."""


async def claim_request(session: AsyncSession, claim: Claim) -> Answer | None:
    """The answer that is kept for this request, or None: then it is this transaction's to carry out and to answer.

    Raises ``RequestInProgress`` while another transaction has it, and ``IdempotencyKeyReused`` when another request had the key.
    The lock ends with the transaction, however that ends: there is no claim that a crash could leave behind, but for those that
    ``keep_claim`` keeps, which end by themselves.
    """
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(claim.lock))):
        raise RequestInProgress
    # A statement of its own: it sees what was committed by whoever had the lock before.
    kept = await session.scalar(
        select(KeptAnswer).where(KeptAnswer.digest == claim.digest, KeptAnswer.created_at > clock.now() - KEPT_FOR)
    )
    if kept is None or (kept.sealed == UNANSWERED and kept.created_at <= clock.now() - CARRIED_OUT_WITHIN):
        return None
    if kept.request_digest != claim.request_digest:
        raise IdempotencyKeyReused
    if kept.sealed == UNANSWERED:
        raise RequestInProgress
    return Answer.model_validate_json(claim.seal.open(kept.sealed))


async def keep_claim(session: AsyncSession, claim: Claim) -> None:
    """Keep a request claimed beyond this transaction, until it has its answer or is given up."""
    await _keep(session, claim, UNANSWERED)


async def keep_answer(session: AsyncSession, claim: Claim, answer: Answer) -> None:
    """Keep the answer to a request that was claimed."""
    await _keep(session, claim, claim.seal.close(answer.model_dump_json()))


async def give_up_claim(session: AsyncSession, claim: Claim) -> None:
    """Let the request be carried out again: it came to nothing."""
    await session.execute(
        delete(KeptAnswer)
        .where(KeptAnswer.digest == claim.digest, KeptAnswer.sealed == UNANSWERED)
        .execution_options(synchronize_session=False)
    )


async def _keep(session: AsyncSession, claim: Claim, sealed: str) -> None:
    kept = insert(KeptAnswer).values(
        digest=claim.digest, request_digest=claim.request_digest, sealed=sealed, created_at=clock.now()
    )
    columns = ("request_digest", "sealed", "created_at")
    await session.execute(  # an answer that is too old and not yet forgotten may be there
        kept.on_conflict_do_update(index_elements=[KeptAnswer.digest], set_={column: kept.excluded[column] for column in columns})
    )


async def prune_kept_answers(session: AsyncSession) -> None:
    """Forget the answers that are not replayed any more."""
    await session.execute(
        delete(KeptAnswer).where(KeptAnswer.created_at <= clock.now() - KEPT_FOR).execution_options(synchronize_session=False)
    )
