"""Whom a scan's request may have told: people who can read the workspace, and its own webhooks."""

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.settings import Settings
from spectral_platform.mail.commands import require_mail
from spectral_platform.scans.errors import ScanNotPossible
from spectral_platform.scans.settings import Notify
from spectral_platform.webhooks.queries import find_webhooks
from spectral_platform.workspaces.queries import find_readers


async def check_notify(session: AsyncSession, caller: Caller, server: Settings, notify: Notify | None) -> None:
    """Raise ``ScanNotPossible`` for somebody who may not be told, and ``MailUnconfigured`` where letters go nowhere.

    It is asked when somebody writes the request. Who has left since is passed over when the scan ends, and stops no scan.
    """
    if notify is None:
        return
    if notify.emails:
        require_mail(server)
        readers = await find_readers(session, caller, notify.emails)
        if strangers := [email for email in notify.emails if email.lower() not in readers]:
            raise ScanNotPossible(
                f"Nobody who can read this workspace has the address {', '.join(strangers)}.", missing=["notify"]
            )
    known = {webhook.id for webhook in await find_webhooks(session, caller.workspace, notify.webhook_ids)}
    if unknown := [str(webhook_id) for webhook_id in notify.webhook_ids if webhook_id not in known]:
        raise ScanNotPossible(f"The workspace has no webhook {', '.join(unknown)}.", missing=["notify"])
