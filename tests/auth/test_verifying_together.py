"""Verifying a credential for several requests at once, without a moment in which what was revoked still holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.auth.errors import CredentialInvalid, CredentialRevoked
from spectral_platform.auth.verification import Verifier
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from tests.auth.test_verification import statements
from tests.fixtures.callers import Person
from tests.fixtures.database import run_sql


class HesitantDatabase(Database):
    """A database whose answers stay on the way for a while."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.may_arrive = asyncio.Event()
        self.is_answered = asyncio.Event()

    @asynccontextmanager
    async def transaction(self, **tenant: Any) -> AsyncIterator[AsyncSession]:
        async with super().transaction(**tenant) as session:
            yield session
        self.is_answered.set()
        await self.may_arrive.wait()


async def test_requests_with_the_same_credential_share_a_question(owner: Person, database: Database, settings: Settings) -> None:
    verifier, key = Verifier(database, settings.keyring), await owner.key()

    with statements() as sent:
        callers = await asyncio.gather(*(verifier.resolve(key, None) for _ in range(50)))

    assert len(sent) <= 2
    assert {caller.workspace_id for caller in callers} == {owner.workspace_id}


async def test_who_comes_after_a_key_is_revoked_is_refused_even_while_an_earlier_question_is_open(
    owner: Person, database: Database, settings: Settings
) -> None:
    hesitant, key = HesitantDatabase(database.url), await owner.key()
    verifier = Verifier(hesitant, settings.keyring)
    earlier = asyncio.create_task(verifier.resolve(key, None))
    await hesitant.is_answered.wait()
    run_sql(database.url, f"UPDATE api_keys SET revoked_at = now() WHERE account_id = '{owner.account_id}'")
    later = [asyncio.create_task(verifier.resolve(key, None)) for _ in range(2)]
    await asyncio.sleep(0)

    hesitant.may_arrive.set()

    assert (await earlier).workspace_id == owner.workspace_id
    for request in later:
        with pytest.raises(CredentialRevoked):
            await request
    await hesitant.close()


async def test_who_gives_up_does_not_give_up_for_the_others(owner: Person, database: Database, settings: Settings) -> None:
    hesitant, key = HesitantDatabase(database.url), await owner.key()
    verifier = Verifier(hesitant, settings.keyring)
    impatient, patient = (asyncio.create_task(verifier.resolve(key, None)) for _ in range(2))
    await hesitant.is_answered.wait()

    impatient.cancel()
    hesitant.may_arrive.set()

    assert (await patient).workspace_id == owner.workspace_id
    assert impatient.cancelled() or impatient.cancelling()
    await hesitant.close()


async def test_every_credential_has_an_answer_of_its_own(
    owner: Person, stranger: Person, database: Database, settings: Settings
) -> None:
    verifier = Verifier(database, settings.keyring)
    keys = [await owner.key(), await stranger.key(), "sk_live_nobody"]

    answers = await asyncio.gather(*(verifier.resolve(key, None) for key in keys), return_exceptions=True)

    assert [getattr(answer, "account_id", None) for answer in answers] == [owner.account_id, stranger.account_id, None]
    assert isinstance(answers[2], CredentialInvalid)
