"""What is told of watches."""

from uuid import UUID

from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.autonomy.states import WatchStatus
from spectral_platform.changesets.models import Changeset
from spectral_platform.core.access import Caller
from spectral_platform.core.jobs import News


class WatchEnded(News):
    """The watch over production has ended, one way or another."""

    changeset_id: UUID
    scan_id: UUID
    status: WatchStatus
    checks: int
    traces: int

    @property
    def event(self) -> str:
        """One event for every end."""
        return "changeset.watch_ended"


def watch_ended(caller: Caller, changeset: Changeset, watch: ChangesetWatch) -> WatchEnded:
    """The news of a watch that has just ended."""
    return WatchEnded(
        account_id=caller.account_id,
        workspace_id=caller.workspace,
        changeset_id=changeset.id,
        scan_id=changeset.scan_id,
        status=watch.status,
        checks=watch.checks,
        traces=max((reading.traces for reading in watch.readings), default=0),
    )
