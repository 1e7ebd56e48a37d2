"""The orders that notices give to the worker."""

from typing import ClassVar

from spectral_platform.core.jobs import Heard


class TellOfScan(Heard):
    """Tell those who were named in a scan's request how it ended."""

    job: ClassVar[str] = "scans.tell"
