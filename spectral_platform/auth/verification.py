"""Verifying credentials for many requests at once, where every statement counts."""

import asyncio
from uuid import UUID

from spectral_platform.auth.commands import note_visit
from spectral_platform.auth.queries import resolve_caller
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.signing import Keyring

Presented = tuple[str, UUID | None]


class Verifier:
    """Asks once for all requests that present the same credential while the last question is being answered.

    Nothing is remembered: a question is put after everybody whom it is put for has come, so what was revoked before a request
    came is refused to it. It takes a transaction of its own, and only as long as the question does.
    """

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._next: dict[Presented, asyncio.Future[Caller]] = {}
        self._asking: dict[Presented, asyncio.Task[None]] = {}

    async def resolve(self, credential: str, workspace_id: UUID | None) -> Caller:
        """Who holds a credential, as ``resolve_caller`` tells; raises what that raises."""
        presented = (credential, workspace_id)
        answer = self._next.get(presented)
        if answer is None:
            answer = self._next[presented] = asyncio.get_running_loop().create_future()
        if presented not in self._asking:
            self._asking[presented] = asyncio.create_task(self._ask(presented))
        return await asyncio.shield(answer)  # whoever gives up does not give up for the others

    async def _ask(self, presented: Presented) -> None:
        while (answer := self._next.pop(presented, None)) is not None:
            try:
                answer.set_result(await self._resolve(*presented))
            except Exception as error:
                answer.set_exception(error)
                answer.exception()  # nobody may wait any more, which is no fault
        del self._asking[presented]

    async def _resolve(self, credential: str, workspace_id: UUID | None) -> Caller:
        async with self._database.transaction() as session:
            caller = await resolve_caller(session, credential, keyring=self._keyring, workspace_id=workspace_id)
            await note_visit(session, caller)
            return caller
