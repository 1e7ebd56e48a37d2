"""Bodies of registration, login and profile."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Body
from pydantic import ConfigDict, Discriminator, EmailStr, Field, Tag, ValidationInfo, field_validator

from spectral_api.schemas import Input, Output, Time
from spectral_platform.auth import queries
from spectral_platform.auth.models import LoginSession
from spectral_platform.core.access import AccountRole, Caller, Scope, WorkspaceRole, resolve_scopes

EMAIL = Field(description="Email address; its case does not matter.", examples=["dev@test.com"], max_length=320)
REFRESH_EXAMPLE = {"refresh_token": "rt_77q7DxIpLnU3VNPlnu1vpeSKFE8ai"}


class Registration(Input):
    """A new person with a new account, or with an invite into one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "dev@test.com", "password": "devpass", "tenant_name": "Dev"}]}
    )

    email: EmailStr = EMAIL
    password: str = Field(description="Password; production servers ask for 8 characters or more.", max_length=1000)
    invite_token: str | None = Field(
        default=None, description="Join the account that sent this invite, instead of making one.", max_length=200
    )
    tenant_name: str = Field(
        default="",
        description="Name of the new account; needed without an invite, ignored with one.",
        max_length=200,
        validate_default=True,
    )

    @field_validator("tenant_name")
    @classmethod
    def require_name_without_invite(cls, name: str, info: ValidationInfo) -> str:
        """A new account has a name."""
        if not name and info.data.get("invite_token") is None:
            raise ValueError("a new account needs a name")
        return name


class Login(Input):
    """Who wants to come in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "dev@test.com", "password": "devpass"}]})

    email: EmailStr = EMAIL
    password: str = Field(description="Password.", max_length=1000)


class Refresh(Input):
    """A refresh token to exchange."""

    model_config = ConfigDict(json_schema_extra={"examples": [dict(REFRESH_EXAMPLE)]})

    refresh_token: str = Field(description="The newest refresh token of the session.", examples=["rt_…"], max_length=200)


class PasswordChange(Input):
    """A new password, from the one who knows the current one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current_password": "devpass", "new_password": "correct horse battery"}]}
    )

    current_password: str = Field(description="The password that holds now.", max_length=1000)
    new_password: str = Field(description="The one that shall hold.", max_length=1000)


class ResetRequest(Input):
    """Who forgot the password."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "dev@test.com"}]})

    email: EmailStr = EMAIL


class ResetByToken(Input):
    """A new password, from the one who got a token by mail."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"token": "rp_77q7DxIpLnU3VNPlnu1vpeSKFE8ai", "new_password": "correct horse battery"}]}
    )

    token: str = Field(description="The token from the letter.", max_length=200)
    new_password: str = Field(description="The password that shall hold.", max_length=1000)


def _step(body: Any) -> str:
    """Which of the two steps a body is, so that what is wrong with it is told of that one alone."""
    if isinstance(body, dict):
        return "token" if {"token", "new_password"} & body.keys() else "email"
    return "token" if isinstance(body, ResetByToken) else "email"


PasswordReset = Annotated[
    Annotated[ResetRequest, Tag("email")] | Annotated[ResetByToken, Tag("token")],
    Discriminator(_step),
    Body(
        openapi_examples={
            "request": {"summary": "Ask for a token", "value": {"email": "dev@test.com"}},
            "token": {"summary": "Set a new password", "value": {"token": "rp_…", "new_password": "correct horse battery"}},
        }
    ),
]


class Tokens(Output):
    """What a login hands out."""

    access_token: str | None = Field(
        description="Send it as `Authorization: Bearer …`; null where it was set as a cookie.", examples=["eyJhbGciOiJIUzI1NiIs…"]
    )
    token_type: Literal["bearer"] = Field(default="bearer", description="Always `bearer`.")
    expires_in: int = Field(description="Lifetime of the access token in seconds.", examples=[3600])
    refresh_token: str | None = Field(
        description="Exchange it once for new tokens; null where it was set as a cookie.", examples=["rt_…"]
    )
    user_id: UUID = Field(description="The person.")
    account_id: UUID = Field(description="The person's account.")


class Registered(Tokens):
    """A new person: their tokens and their first workspace."""

    workspace_id: UUID | None = Field(description="The first workspace; null for an invited person who was given none.")


class ProfileAccount(Output):
    """The person's account."""

    id: UUID = Field(description="The account.")
    name: str = Field(description="Its name.", examples=["Dev"])
    role: AccountRole = Field(description="The person's role in it.")


class ProfileWorkspace(Output):
    """A workspace that the person can reach."""

    id: UUID = Field(description="The workspace.")
    name: str = Field(description="Its name.", examples=["Default"])
    role: WorkspaceRole | None = Field(description="The person's role in it; null for an owner who is no member.")
    scopes: list[Scope] = Field(description="What the person may do there.")


class Profile(Output):
    """Who is logged in."""

    id: UUID = Field(description="The person.")
    user_id: UUID = Field(description="The same id under its other name.")
    email: str = Field(description="Email address.", examples=["dev@test.com"])
    display_name: str | None = Field(description="Name to show.")
    account: ProfileAccount = Field(description="The person's account.")
    workspaces: list[ProfileWorkspace] = Field(description="Workspaces in reach, oldest first.")
    scopes: list[Scope] = Field(description="What the person may do in the account.")

    @classmethod
    def of(cls, profile: queries.Profile, caller: Caller) -> Self:
        """The profile of a caller."""
        return cls(
            id=profile.user.id,
            user_id=profile.user.id,
            email=profile.user.email,
            display_name=profile.user.display_name,
            account=ProfileAccount(id=profile.account.id, name=profile.account.name, role=profile.member.role),
            workspaces=[
                ProfileWorkspace(
                    id=membership.workspace.id,
                    name=membership.workspace.name,
                    role=membership.role,
                    scopes=sorted(resolve_scopes(profile.member.role, membership.role)),
                )
                for membership in profile.memberships
            ],
            scopes=sorted(caller.scopes),
        )


class ProfileUpdate(Input):
    """What a person may change about themselves."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"display_name": "Anna"}]})

    display_name: str | None = Field(default=None, description="Name to show; null = none.", min_length=1, max_length=200)


class Session(Output):
    """Somewhere where a person is logged in."""

    id: UUID = Field(description="The session.")
    created_at: Time = Field(description="When it was opened.")
    last_used_at: Time | None = Field(description="When it was last used.")
    user_agent: str | None = Field(description="What the client called itself.", examples=["curl/8.16.0"])
    ip: str | None = Field(description="The address that it was opened from.", examples=["203.0.113.7"])
    current: bool = Field(description="Whether this request belongs to it.")

    @classmethod
    def of(cls, session: LoginSession, *, current: bool) -> Self:
        """A session as its owner sees it."""
        return cls(
            id=session.id,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            user_agent=session.user_agent,
            ip=session.ip,
            current=current,
        )
