"""Every room whose jobs the worker carries out, and who hears which news."""

from collections.abc import Collection, Mapping
from typing import Any

import spectral_platform.tables  # noqa: F401 - foreign keys resolve only when every room's rows are known
from spectral_platform.agents.news import AGENT_MERGED
from spectral_platform.auth.passwords import jobs as passwords
from spectral_platform.changesets.autonomy import jobs as autonomy
from spectral_platform.core.jobs import Announce, Heard, Job, JobContext, enqueue, job, registry
from spectral_platform.mail import jobs as mail
from spectral_platform.scans import jobs as scans
from spectral_platform.scans.notices import jobs as notices
from spectral_platform.scans.notices.work import TellOfScan
from spectral_platform.scans.schedules import jobs as schedules
from spectral_platform.traces import jobs as traces
from spectral_platform.traces.work import FollowMerge
from spectral_platform.webhooks import jobs as webhooks
from spectral_platform.webhooks.events import EventType
from spectral_platform.webhooks.work import NotifyWebhooks

ROOMS = (autonomy, mail, notices, passwords, scans, schedules, traces, webhooks)
SCAN_ENDINGS = (EventType.SCAN_COMPLETED, EventType.SCAN_FAILED, EventType.SCAN_CANCELLED)
LISTENERS: Mapping[type[Heard], Collection[str]] = {
    NotifyWebhooks: tuple(EventType),
    TellOfScan: SCAN_ENDINGS,
    FollowMerge: (AGENT_MERGED,),
}
"""The events that each listener hears. Each has an order of its own, so that one that fails keeps nothing from the others."""


@job(Announce)
async def announce(context: JobContext, work: Announce) -> None:
    """Give an order to everybody who hears this event."""
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        for listener in (each for each, events in LISTENERS.items() if work.event in events):
            await enqueue(session, listener.model_validate(work.model_dump()))


def list_jobs() -> list[Job[Any]]:
    """All jobs, by name."""
    return [registry[name] for name in sorted(registry)]
