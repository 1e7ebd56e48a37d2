"""Every room whose jobs the worker carries out."""

from typing import Any

import spectral_platform.tables  # noqa: F401 - foreign keys resolve only when every room's rows are known
from spectral_platform.core.jobs import Job, registry
from spectral_platform.mail import jobs as mail
from spectral_platform.scans import jobs as scans

ROOMS = (mail, scans)


def list_jobs() -> list[Job[Any]]:
    """All jobs, by name."""
    return [registry[name] for name in sorted(registry)]
