"""What an invited person reads."""

from spectral_platform.invites.models import Invite

SUBJECT = "You are invited to Spectral"


def write_invitation(invite: Invite, token: str, *, account_name: str, public_url: str | None) -> str:
    """The text of an invitation, with the request that accepts it."""
    server = (public_url or "https://your-spectral-server").rstrip("/")
    return f"""\
You are invited to join the account "{account_name}" on Spectral.

Join until {invite.expires_at:%d %B %Y, %H:%M} UTC, with a password of your own:

  curl -X POST {server}/api/v1/auth/register \\
    -H 'Content-Type: application/json' \\
    -d '{{"email": "{invite.email}", "password": "...", "invite_token": "{token}"}}'

The invitation is for {invite.email} only and can be used once. If you did not expect it, ignore this letter.
"""
