"""What can go wrong with workspaces."""

from spectral_platform.core.errors import NotFoundError


class WorkspaceNotFound(NotFoundError):
    """The workspace does not exist or is another tenant's."""

    def __init__(self, workspace_id: object) -> None:
        super().__init__(f"Workspace {workspace_id} not found.")
