"""What the worker does when a scan is over: it tells those whom the scan's request names."""

import structlog

from spectral_platform.core import clock
from spectral_platform.core.access import system_caller
from spectral_platform.core.jobs import JobContext, job
from spectral_platform.mail.commands import can_send, send_mail
from spectral_platform.scans.models import Scan
from spectral_platform.scans.notices.letters import ending_of, write_notice
from spectral_platform.scans.notices.work import TellOfScan
from spectral_platform.webhooks.commands import deliver_news
from spectral_platform.webhooks.queries import find_webhooks
from spectral_platform.workspaces.queries import find_readers, get_workspace, is_alive

logger = structlog.get_logger(__name__)


@job(TellOfScan)
async def tell_of_scan(context: JobContext, work: TellOfScan) -> None:
    """Write the letters and the deliveries once, in the transaction that notes that they are written.

    Webhooks get the very message that they get for the event anyway, so one that is told of it twice over gets it once. Who may
    not read the workspace any more gets no letter.
    """
    assert work.workspace_id is not None
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        scan = await session.get(Scan, work.facts["scan_id"], with_for_update=True)
        if scan is None or scan.notified_at is not None or scan.settings.notify is None:
            return
        notify = scan.settings.notify
        if ending_of(scan) not in notify.on:
            return
        if not await is_alive(session, account_id=work.account_id, workspace_id=work.workspace_id):
            return
        caller = system_caller(work.account_id, work.workspace_id)
        webhooks = await find_webhooks(session, work.workspace_id, notify.webhook_ids)
        await deliver_news(session, work, [webhook for webhook in webhooks if webhook.enabled])
        if notify.emails and can_send(context.settings):
            workspace = await get_workspace(session, caller)
            subject, text = write_notice(scan, workspace=workspace.name, public_url=context.settings.public_url)
            for address in (await find_readers(session, caller, notify.emails)).values():
                await send_mail(session, context.settings, account_id=work.account_id, to=address, subject=subject, text=text)
        elif notify.emails:
            logger.warning("notice_not_sent", scan_id=str(scan.id), reason="no SMTP server is configured")
        scan.notified_at = clock.now()
