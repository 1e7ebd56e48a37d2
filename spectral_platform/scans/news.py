"""What is told of scans."""

from uuid import UUID

from spectral_platform.changesets.states import Outcome
from spectral_platform.core.jobs import News
from spectral_platform.scans.models import Scan
from spectral_platform.scans.states import ScanStatus


class ScanEnded(News):
    """A scan has come to an end: ``scan.completed``, ``scan.failed`` or ``scan.cancelled``."""

    scan_id: UUID
    status: ScanStatus
    outcome: Outcome | None
    changeset_id: UUID | None
    failure: str | None
    simulated: bool

    @property
    def event(self) -> str:
        """Named after the status."""
        return f"scan.{self.status}"


def scan_ended(account_id: UUID, scan: Scan) -> ScanEnded:
    """The news of a scan that has just ended."""
    return ScanEnded(
        account_id=account_id,
        workspace_id=scan.workspace_id,
        scan_id=scan.id,
        status=scan.status,
        outcome=scan.verdict.outcome if scan.verdict else None,
        changeset_id=scan.changeset_id,
        failure=scan.failure["slug"] if scan.failure else None,
        simulated=scan.simulated,
    )
