"""Reading policies."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.database import Question, ask, driver_of
from spectral_platform.workspaces.policies.kinds import Policy, PolicyKind
from spectral_platform.workspaces.policies.masking import Masking
from spectral_platform.workspaces.policies.models import WorkspacePolicy
from spectral_platform.workspaces.policies.prices import Prices

P = TypeVar("P", bound=Policy)
INGESTION_POLICIES = """
SELECT kind, document::text FROM workspace_policies WHERE workspace_id = %(workspace_id)b AND kind = ANY(%(kinds)b::text[])
"""


async def get_policy(session: AsyncSession, caller: Caller, kind: type[P]) -> P:
    """What the workspace has decided, or what holds by default."""
    return await find_policy(session, caller.workspace, kind) or kind()


async def lock_policy(session: AsyncSession, caller: Caller, kind: type[P]) -> P:
    """What the workspace has decided, or what holds by default. What was decided stays so until the transaction ends."""
    document = await session.scalar(_document(caller.workspace, kind).with_for_update())
    return kind() if document is None else kind.model_validate(document)


async def find_policy(session: AsyncSession, workspace_id: UUID, kind: type[P]) -> P | None:
    """What a workspace has decided; None where it has not."""
    document = await session.scalar(_document(workspace_id, kind))
    return None if document is None else kind.model_validate(document)


def _document(workspace_id: UUID, kind: type[Policy]) -> Select[dict[str, Any]]:
    return select(WorkspacePolicy.document).where(WorkspacePolicy.workspace_id == workspace_id, WorkspacePolicy.kind == kind.kind)


async def get_ingestion_policies(session: AsyncSession, workspace_id: UUID) -> tuple[Masking, Prices]:
    """How a workspace masks what it takes in, and its prices."""
    (rows,) = await ask(await driver_of(session), ingestion_policies(workspace_id))
    return read_ingestion_policies(rows)


def ingestion_policies(workspace_id: UUID) -> Question:
    """What whoever takes in spans has to ask."""
    return INGESTION_POLICIES, {"workspace_id": workspace_id, "kinds": [PolicyKind.MASKING.value, PolicyKind.PRICES.value]}


def read_ingestion_policies(rows: Iterable[tuple[str, str]]) -> tuple[Masking, Prices]:
    """What the answer to that says. A policy is parsed and compiled once for each text that it has."""
    documents = dict(rows)
    return _masking(documents.get(PolicyKind.MASKING)), _prices(documents.get(PolicyKind.PRICES))


@lru_cache(maxsize=256)
def _masking(document: str | None) -> Masking:
    return Masking() if document is None else Masking.model_validate(orjson.loads(document))


@lru_cache(maxsize=256)
def _prices(document: str | None) -> Prices:
    return Prices() if document is None else Prices.model_validate(orjson.loads(document))
