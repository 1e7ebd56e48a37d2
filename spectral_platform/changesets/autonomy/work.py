"""The orders that autonomy gives to the worker."""

from typing import ClassVar
from uuid import UUID

from spectral_platform.core.jobs import Work


class DecideChangeset(Work):
    """Decide about a proposed changeset as the workspace's bounds allow."""

    job: ClassVar[str] = "changesets.decide"

    workspace_id: UUID
    changeset_id: UUID

    @property
    def lock(self) -> str:
        """One decision at a time in a workspace."""
        return f"autonomy:{self.workspace_id}"


class CheckWatch(Work):
    """Look at production since a changeset was applied, for the time of this ``number``, from 1."""

    job: ClassVar[str] = "changesets.check_watch"

    workspace_id: UUID
    changeset_id: UUID
    number: int
