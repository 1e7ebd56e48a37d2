"""The refusals that every protected endpoint shares, for its documentation."""

from typing import Any

from spectral_api.problems import problems
from spectral_api.security import ScopeMissing, WorkspaceMismatch, WorkspaceRequired
from spectral_platform.accounts.errors import AccountSuspended
from spectral_platform.auth.errors import CredentialExpired, CredentialInvalid, CredentialMissing, CredentialRevoked
from spectral_platform.core.errors import SpectralError
from spectral_platform.workspaces.errors import WorkspaceNotFound

WITHOUT_SCOPE = (CredentialMissing, CredentialInvalid, CredentialExpired, CredentialRevoked, AccountSuspended)
IN_ACCOUNT = (*WITHOUT_SCOPE, ScopeMissing)
IN_WORKSPACE = (*IN_ACCOUNT, WorkspaceNotFound, WorkspaceMismatch)
IN_WORKSPACE_OF_HEADER = (*IN_ACCOUNT, WorkspaceNotFound, WorkspaceRequired)


def account_problems(*errors: type[SpectralError]) -> dict[int | str, dict[str, Any]]:
    """What an endpoint of the account may answer besides success: these errors, and what everybody may be refused for."""
    return problems(*IN_ACCOUNT, *errors)


def workspace_problems(*errors: type[SpectralError]) -> dict[int | str, dict[str, Any]]:
    """The same for an endpoint whose path names a workspace."""
    return problems(*IN_WORKSPACE, *errors)
