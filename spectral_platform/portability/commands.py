"""Deleting what people may take away, and erasing what nobody can bring back."""

from uuid import UUID

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.models import Account, AccountMember, User
from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, system_caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.jobs import JobContext
from spectral_platform.keys.models import ApiKey
from spectral_platform.portability import erasing, queries
from spectral_platform.scans.commands import stop_scans
from spectral_platform.traces.partitions import drop_partition
from spectral_platform.workspaces import commands as workspaces

logger = structlog.get_logger(__name__)


async def delete_workspace(session: AsyncSession, caller: Caller) -> None:
    """Take the workspace away from everybody and stop its scans; it is erased when it can no longer be restored."""
    await stop_scans(session, caller)
    await workspaces.delete_workspace(session, caller)


async def delete_account(session: AsyncSession, caller: Caller) -> None:
    """End the account for everybody at once: its people and keys are gone with this, the rest is erased by ``erase_deleted``."""
    account = await session.get_one(Account, caller.account_id, with_for_update=True)
    account.deleted_at = clock.now()
    for place in await queries.list_workspaces_of(session, caller.account_id):
        await bind_tenant(session, account_id=place.account_id, workspace_id=place.workspace_id)
        await stop_scans(session, caller.model_copy(update={"workspace_id": place.workspace_id}))
        await session.execute(delete(ApiKey).where(ApiKey.workspace_id == place.workspace_id))
    await bind_tenant(session, account_id=caller.account_id)
    members = select(AccountMember.user_id).where(AccountMember.account_id == caller.account_id)
    await record(session, caller, action="account.deleted", resource="account", resource_id=caller.account_id)
    await session.execute(delete(User).where(User.id.in_(members)).execution_options(synchronize_session=False))


async def erase_deleted(context: JobContext) -> None:
    """Erase deleted accounts, and workspaces that can no longer be restored."""
    async with context.database.transaction() as session:
        accounts = await queries.list_deleted_accounts(session)
        places = await queries.list_unrestorable_workspaces(session)
    for account_id in accounts:
        await _erase_account(context, account_id)
    for place in places:
        if place.account_id not in accounts:
            await _erase_workspace(context, place)


async def _erase_workspace(context: JobContext, place: queries.Place) -> None:
    await erasing.empty_workspace(context.database, place)
    async with context.database.transaction(account_id=place.account_id, workspace_id=place.workspace_id) as session:
        if await erasing.erase_workspace_row(session, place):
            caller = system_caller(place.account_id)
            await record(session, caller, action="workspace.erased", resource="workspace", resource_id=place.workspace_id)
            logger.info("workspace_erased", account_id=str(place.account_id), workspace_id=str(place.workspace_id))


async def _erase_account(context: JobContext, account_id: UUID) -> None:
    async with context.database.transaction(account_id=account_id) as session:
        places = await queries.list_workspaces_of(session, account_id)
    for place in places:
        await _erase_workspace(context, place)
    async with context.database.transaction(account_id=account_id) as session:
        await erasing.erase_account_rows(session, account_id)
    logger.info("account_erased", account_id=str(account_id))


async def expire_traces(context: JobContext) -> None:
    """Delete the traces that workspaces do not want to keep any longer.

    The spans of a day that nobody keeps are not deleted one by one: their partition is dropped.
    """
    async with context.database.transaction() as session:
        expiries = await queries.list_expiries(session)
        days = await queries.list_expired_days(session, expiries)
    for expiry in expiries:
        expired = await erasing.expire_traces(context.database, expiry, dropped=days)
        if expired:
            logger.info("traces_expired", workspace_id=str(expiry.place.workspace_id), traces=expired)
    for day in days:
        if await drop_partition(context.database, day):
            logger.info("span_partition_dropped", day=str(day))
