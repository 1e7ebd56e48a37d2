"""The orders that schedules give to the worker."""

from typing import ClassVar
from uuid import UUID

from spectral_platform.core.jobs import Work


class StartRun(Work):
    """Start the scan of a run that waits, or say why not; a run that waits no more is left alone."""

    job: ClassVar[str] = "schedules.start"

    workspace_id: UUID
    run_id: UUID
