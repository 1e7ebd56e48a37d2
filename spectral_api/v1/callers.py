"""Who may call an endpoint, by the scope that lets them."""

from typing import Annotated

from fastapi import Security

from spectral_api.security import authenticate, authenticate_in_account
from spectral_platform.core.access import Caller, Scope

AnyCaller = Annotated[Caller, Security(authenticate_in_account)]
Reader = Annotated[Caller, Security(authenticate, scopes=[Scope.READ_WORKSPACE])]
AgentReader = Annotated[Caller, Security(authenticate, scopes=[Scope.READ_AGENTS, Scope.READ_WORKSPACE])]
Writer = Annotated[Caller, Security(authenticate, scopes=[Scope.WRITE_WORKSPACE])]
Approver = Annotated[Caller, Security(authenticate, scopes=[Scope.APPROVE_AGENTS])]
Admin = Annotated[Caller, Security(authenticate, scopes=[Scope.ADMIN_WORKSPACE])]
AccountAdmin = Annotated[Caller, Security(authenticate_in_account, scopes=[Scope.ADMIN_ACCOUNT])]
