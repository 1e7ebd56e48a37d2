"""What the worker does for scans."""

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.errors import SpectralError, UnavailableError
from spectral_platform.core.jobs import JobContext, job, publish
from spectral_platform.core.lifecycle import move
from spectral_platform.llm.commands import charge_abandoned
from spectral_platform.llm.errors import AttemptSuperseded
from spectral_platform.llm.ledger import Tenant
from spectral_platform.scans.execution import ScanCancelled, execute
from spectral_platform.scans.models import Scan, ScanAgent
from spectral_platform.scans.news import scan_ended
from spectral_platform.scans.run import add_events, claim, event
from spectral_platform.scans.states import ScanStatus
from spectral_platform.scans.unsealing import expose_seen
from spectral_platform.scans.work import ExecuteScan
from spectral_platform.workspaces.queries import is_alive

logger = structlog.get_logger(__name__)


async def fail_scan(context: JobContext, work: ExecuteScan) -> None:
    """End a scan that a fault of ours stopped; the traceback is in the log."""
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        scan = await session.get(Scan, work.scan_id, with_for_update=True)
        if scan is None or scan.status in Scan.lifecycle.terminal:
            return
        tenant = await _supersede(session, work, scan)
        detail = "Something went wrong on our side; the worker's log has the details."
        await _finish(session, tenant, ScanStatus.FAILED, "scan_failed", detail, {"slug": "internal-error", "detail": detail})


@job(ExecuteScan, on_failure=fail_scan)
async def execute_scan(context: JobContext, work: ExecuteScan) -> None:
    """Take the scan over and run it to its end; doing so again is harmless."""
    tenant = await _take_over(context, work)
    if tenant is None:
        return
    try:
        try:
            await execute(context, tenant)
        except ScanCancelled:
            await _end(context, tenant, ScanStatus.CANCELLED, "scan_cancelled", "The scan was cancelled.")
        except (AttemptSuperseded, UnavailableError):
            raise
        except SpectralError as error:
            logger.error("scan_failed", scan_id=str(tenant.scan_id), exc_info=error)
            failure = {"slug": error.slug, "detail": error.detail}
            await _end(context, tenant, ScanStatus.FAILED, "scan_failed", error.detail, failure=failure)
    except AttemptSuperseded:
        logger.warning("scan_superseded", scan_id=str(tenant.scan_id), attempt=tenant.attempt)


async def _take_over(context: JobContext, work: ExecuteScan) -> Tenant | None:
    """Claim the next attempt of a scan that has not ended; None when there is nothing left to do."""
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        scan = await session.get(Scan, work.scan_id, with_for_update=True)
        if scan is None or scan.status in Scan.lifecycle.terminal:
            return None
        tenant = await _supersede(session, work, scan)
        is_for_nobody = not await is_alive(session, account_id=work.account_id, workspace_id=scan.workspace_id)
        if is_for_nobody and scan.status is ScanStatus.RUNNING:
            await move(session, scan, ScanStatus.CANCELLING)
        if is_for_nobody or scan.status is ScanStatus.CANCELLING:
            await _finish(session, tenant, ScanStatus.CANCELLED, "scan_cancelled", "The scan was cancelled.", None)
            return None
        if scan.attempt > work.most_tries:
            detail = f"The scan was taken up {work.most_tries} times and never came to an end."
            failure = {"slug": "internal-error", "detail": detail}
            await _finish(session, tenant, ScanStatus.FAILED, "scan_failed", detail, failure)
            return None
        if scan.status is ScanStatus.SCHEDULED:
            await move(session, scan, ScanStatus.RUNNING)
            await add_events(session, event(tenant, None, "scan_started", "", "A worker has taken the scan up."))
        else:
            message = f"A worker has taken the scan up again (attempt {scan.attempt}); stored answers are not asked again."
            resumed = event(tenant, scan.phase, "scan_resumed", str(scan.attempt), message, level="warning")
            await add_events(session, resumed)
        return tenant


async def _supersede(session: AsyncSession, work: ExecuteScan, scan: Scan) -> Tenant:
    """Make this the newest attempt at the scan; no former one can write from here on."""
    scan.attempt += 1
    await session.flush()
    await charge_abandoned(session, workspace_id=work.workspace_id, scan_id=scan.id, attempt=scan.attempt)
    return Tenant(work.account_id, work.workspace_id, work.scan_id, scan.attempt)


async def _end(
    context: JobContext,
    tenant: Tenant,
    status: ScanStatus,
    end: str,
    message: str,
    failure: dict[str, str] | None = None,
) -> None:
    async with context.database.transaction(account_id=tenant.account_id, workspace_id=tenant.workspace_id) as session:
        await claim(session, tenant)
        await charge_abandoned(session, workspace_id=tenant.workspace_id, scan_id=tenant.scan_id, attempt=tenant.attempt)
        await _finish(session, tenant, status, end, message, failure)


async def _finish(
    session: AsyncSession, tenant: Tenant, status: ScanStatus, end: str, message: str, failure: dict[str, str] | None
) -> None:
    scan = await session.get_one(Scan, tenant.scan_id, with_for_update=True)
    if scan.status is ScanStatus.CANCELLING:  # whatever stopped it, it was to be stopped
        status, end, message, failure = ScanStatus.CANCELLED, "scan_cancelled", "The scan was cancelled.", None
    await expose_seen(session, scan)
    level = "error" if status is ScanStatus.FAILED else "info"
    await add_events(session, event(tenant, scan.phase, end, "", message, level=level))
    await move(session, scan, status, failure=failure)
    await session.execute(update(ScanAgent).where(ScanAgent.scan_id == scan.id).values(is_active=False))
    await publish(session, scan_ended(tenant.account_id, scan))
