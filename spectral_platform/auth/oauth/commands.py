"""Logging in through an identity provider."""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.commands import create_account
from spectral_platform.accounts.models import User, UserStatus
from spectral_platform.accounts.queries import find_user
from spectral_platform.audit.commands import record
from spectral_platform.auth.commands import (
    FIRST_WORKSPACE,
    Tokens,
    account_of,
    end_sessions,
    find_entrance,
    join,
    open_session,
    refuse_suspended,
)
from spectral_platform.auth.devices import Device
from spectral_platform.auth.errors import LoginRefused
from spectral_platform.auth.oauth.errors import AuthorizationRefused, EmailUnverified
from spectral_platform.auth.oauth.models import Identity, OAuthLogin
from spectral_platform.auth.oauth.protocol import authorize_url, redeem
from spectral_platform.auth.oauth.providers import Claims, Transaction, get_provider
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import Caller, CallerKind
from spectral_platform.core.database import Database, conflict_as
from spectral_platform.core.settings import Settings
from spectral_platform.workspaces.commands import add_workspace

LIFETIME = timedelta(minutes=10)


async def start_oauth_login(
    database: Database, settings: Settings, *, provider: str, invite_token: str | None, is_bound: bool
) -> tuple[str, str]:
    """Begin a login with a provider: where the person goes, and the state that comes back with them.

    Raises ``ProviderUnknown``, ``ReturnUnconfigured`` or ``ProviderUnavailable``.
    """
    chosen = get_provider(settings, provider)
    state = crypto.new_secret("")
    # RFC 7636, 4.1: 43 to 128 characters, which are those of a secret.
    transaction = Transaction(verifier=crypto.new_secret(""), nonce=crypto.new_secret(""), invite_token=invite_token)
    url = await authorize_url(chosen, transaction, state=state)
    async with database.transaction() as session:
        await session.execute(delete(OAuthLogin).where(OAuthLogin.expires_at <= clock.now()))
        session.add(
            OAuthLogin(
                state_digest=crypto.digest_secret(state),
                provider=provider,
                is_bound=is_bound,
                sealed=settings.seal.close(transaction.model_dump_json()),
                expires_at=clock.now() + LIFETIME,
            )
        )
    return url, state


async def finish_oauth_login(
    database: Database, settings: Settings, *, provider: str, code: str, state: str, kept_state: str | None, device: Device
) -> Tokens:
    """Open a session for whom the provider says it is. ``kept_state`` is what the browser kept, if the login began by redirect.

    The state is spent whatever follows. Raises ``AuthorizationRefused``, ``EmailUnverified``, ``RegistrationClosed`` and more.
    """
    chosen = get_provider(settings, provider)
    async with database.transaction() as session:
        spent = delete(OAuthLogin).where(OAuthLogin.state_digest == crypto.digest_secret(state)).returning(OAuthLogin)
        begun = await session.scalar(spent)
    if begun is None or begun.provider != provider or begun.expires_at <= clock.now():
        raise AuthorizationRefused
    if begun.is_bound and crypto.digest_secret(kept_state or "") != begun.state_digest:
        raise AuthorizationRefused
    transaction = Transaction.model_validate_json(settings.seal.open(begun.sealed))
    claims = await redeem(chosen, transaction, code=code)
    async with database.transaction() as session:
        return await _enter(session, settings, claims, invite_token=transaction.invite_token, device=device)


async def _enter(
    session: AsyncSession, settings: Settings, claims: Claims, *, invite_token: str | None, device: Device
) -> Tokens:
    known = select(User).join(Identity, Identity.user_id == User.id)
    user = await session.scalar(known.where(Identity.issuer == claims.issuer, Identity.subject == claims.subject))
    is_linked = user is not None
    if user is None:
        if claims.email is None:
            raise EmailUnverified
        user = await find_user(session, email=claims.email)
        if user is None:
            return await _register(session, settings, claims, email=claims.email, invite_token=invite_token, device=device)
    account_id = await account_of(session, user)
    # Whoever is shut out or erased at this moment is not let in; nobody changes them until the session is there.
    held = await session.get(User, user.id, with_for_update={"key_share": True}, populate_existing=True)
    if held is None or held.status is not UserStatus.ACTIVE:
        raise LoginRefused
    if not is_linked:
        await _link(session, settings, user, claims)
    await refuse_suspended(session, account_id)
    caller = Caller(kind=CallerKind.USER, id=user.id, account_id=account_id, session_id=clock.new_id())
    await record(
        session, caller, action="session.opened", resource="session", resource_id=str(caller.session_id), issuer=claims.issuer
    )
    return await open_session(session, settings, caller, device=device)


async def _link(session: AsyncSession, settings: Settings, user: User, claims: Claims) -> None:
    """Let the identity in as the person who has its email address.

    Where anybody may register, whoever chose the password never had to show that the address is theirs: it is void from here on,
    and so are its sessions, or somebody could register another's address and wait for them (pre-hijacking).
    """
    session.add(Identity(user_id=user.id, issuer=claims.issuer, subject=claims.subject))
    if settings.registration_mode == "open":
        user.password_hash = None
        await end_sessions(session, user.id)
    with conflict_as("uq_identities_issuer_subject", AuthorizationRefused()):
        await session.flush()


async def _register(
    session: AsyncSession, settings: Settings, claims: Claims, *, email: str, invite_token: str | None, device: Device
) -> Tokens:
    invite = await find_entrance(session, settings, invite_token=invite_token, email=email)
    if invite is None:
        name = claims.name or email.partition("@")[0]
        caller = await create_account(session, name=name[:200], email=email, password_hash=None)
        await add_workspace(session, caller, name=FIRST_WORKSPACE)
    else:
        caller, _ = await join(session, invite, email=email, password_hash=None)
    assert caller.id is not None
    session.add(Identity(user_id=caller.id, issuer=claims.issuer, subject=claims.subject))
    with conflict_as("uq_identities_issuer_subject", AuthorizationRefused()):
        await session.flush()
    return await open_session(session, settings, caller.model_copy(update={"session_id": clock.new_id()}), device=device)
