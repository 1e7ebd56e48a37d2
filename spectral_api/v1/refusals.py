"""The refusals that every protected endpoint shares, for its documentation."""

from spectral_api.security import ScopeMissing, WorkspaceMismatch, WorkspaceRequired
from spectral_platform.accounts.errors import AccountSuspended
from spectral_platform.auth.errors import CredentialExpired, CredentialInvalid, CredentialMissing, CredentialRevoked
from spectral_platform.workspaces.errors import WorkspaceNotFound

IN_ACCOUNT = (
    CredentialMissing,
    CredentialInvalid,
    CredentialExpired,
    CredentialRevoked,
    AccountSuspended,
    ScopeMissing,
)
IN_WORKSPACE = (*IN_ACCOUNT, WorkspaceNotFound, WorkspaceMismatch)
IN_WORKSPACE_OF_HEADER = (*IN_ACCOUNT, WorkspaceNotFound, WorkspaceRequired)
