"""The orders that scans give to the worker."""

from typing import ClassVar
from uuid import UUID

from spectral_platform.core.jobs import Lane, Work


class ExecuteScan(Work):
    """Run a scan from where it stands to its verdict."""

    job: ClassVar[str] = "scans.execute"
    lane: ClassVar[Lane] = Lane.LONG
    most_tries: ClassVar[int] = 30

    workspace_id: UUID
    scan_id: UUID

    @property
    def lock(self) -> str:
        """One worker at a time for each scan."""
        return f"scan:{self.scan_id}"
