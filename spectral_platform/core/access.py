"""Who is asking and what they may do: scopes, roles and the caller. No database here."""

from enum import StrEnum
from uuid import UUID

from spectral_platform.core.values import Value


class Scope(StrEnum):
    """The eleven scopes."""

    READ_WORKSPACE = "read:workspace"
    WRITE_WORKSPACE = "write:workspace"
    APPROVE_AGENTS = "approve:agents"
    ADMIN_WORKSPACE = "admin:workspace"
    ADMIN_ACCOUNT = "admin:account"
    READ_AGENTS = "read:agents"
    WRITE_TRACES = "write:traces"
    READ_OPERATIONS = "read:operations"
    WRITE_OPERATIONS = "write:operations"
    ADMIN_OPERATIONS = "admin:operations"
    DELETE_OPERATIONS = "delete:operations"


class AccountRole(StrEnum):
    """What a person is in an account."""

    OWNER = "owner"
    OPERATIONS = "operations"
    MEMBER = "member"


class WorkspaceRole(StrEnum):
    """What a member is in a workspace."""

    ADMIN = "admin"
    CONTRIBUTOR = "contributor"
    OBSERVER = "observer"


OPERATIONS_SCOPES = frozenset({Scope.READ_OPERATIONS, Scope.WRITE_OPERATIONS, Scope.ADMIN_OPERATIONS, Scope.DELETE_OPERATIONS})
EVERY_WORKSPACE_SCOPE = frozenset(
    {
        Scope.READ_WORKSPACE,
        Scope.WRITE_WORKSPACE,
        Scope.APPROVE_AGENTS,
        Scope.ADMIN_WORKSPACE,
        Scope.READ_AGENTS,
        Scope.WRITE_TRACES,
    }
)
ACCOUNT_SCOPES: dict[AccountRole, frozenset[Scope]] = {
    AccountRole.OWNER: frozenset({Scope.ADMIN_ACCOUNT}),
    AccountRole.OPERATIONS: frozenset({Scope.ADMIN_ACCOUNT}) | OPERATIONS_SCOPES,
    AccountRole.MEMBER: frozenset(),
}
WORKSPACE_SCOPES: dict[WorkspaceRole, frozenset[Scope]] = {
    WorkspaceRole.ADMIN: frozenset(
        {
            Scope.READ_WORKSPACE,
            Scope.WRITE_WORKSPACE,
            Scope.APPROVE_AGENTS,
            Scope.ADMIN_WORKSPACE,
            Scope.READ_AGENTS,
        }
    ),
    WorkspaceRole.CONTRIBUTOR: frozenset({Scope.READ_WORKSPACE, Scope.WRITE_WORKSPACE, Scope.READ_AGENTS}),
    WorkspaceRole.OBSERVER: frozenset({Scope.READ_WORKSPACE}),
}
DEFAULT_KEY_SCOPES = (Scope.READ_AGENTS, Scope.WRITE_TRACES)
KEY_SCOPES = frozenset({*DEFAULT_KEY_SCOPES, Scope.READ_WORKSPACE, Scope.WRITE_WORKSPACE})


def resolve_scopes(account_role: AccountRole, workspace_role: WorkspaceRole | None) -> frozenset[Scope]:
    """The scopes that hold in a workspace for an account role and a membership, if there is one.

    Owners and operations need no membership in the workspaces they reach.
    """
    scopes = ACCOUNT_SCOPES[account_role]
    if account_role in {AccountRole.OWNER, AccountRole.OPERATIONS}:
        scopes |= EVERY_WORKSPACE_SCOPE
    if workspace_role is not None:
        scopes |= WORKSPACE_SCOPES[workspace_role]
    return scopes


class CallerKind(StrEnum):
    """What sort of caller asks."""

    USER = "user"
    KEY = "key"
    SYSTEM = "system"
    SCHEDULE = "schedule"


class Caller(Value):
    """Who is asking, in which account and workspace, with which scopes. ``id`` is a user's, a key's or a schedule's.

    ``visitor_from`` is the own account of operations staff who came into a workspace of another one.
    """

    kind: CallerKind
    id: UUID | None
    account_id: UUID
    workspace_id: UUID | None = None
    scopes: frozenset[Scope] = frozenset()
    session_id: UUID | None = None
    visitor_from: UUID | None = None

    @property
    def home_account_id(self) -> UUID:
        """The account that the caller belongs to."""
        return self.visitor_from or self.account_id

    @property
    def workspace(self) -> UUID:
        """The workspace that this call is about; only for calls that name one."""
        if self.workspace_id is None:
            raise LookupError("this caller was not resolved for a workspace")
        return self.workspace_id


def system_caller(account_id: UUID, workspace_id: UUID | None = None) -> Caller:
    """Spectral itself, acting in one tenant."""
    return Caller(kind=CallerKind.SYSTEM, id=None, account_id=account_id, workspace_id=workspace_id)
