"""The life of an invite: it waits until somebody joins with it or it is taken back."""

from enum import StrEnum

from spectral_platform.core.lifecycle import Lifecycle


class InviteStatus(StrEnum):
    """Where an invite stands. Rows never say ``expired``: that is what a pending one is once its time is over."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


INVITE = Lifecycle(
    {
        # Sent again, it waits anew, with another token.
        InviteStatus.PENDING: {InviteStatus.PENDING, InviteStatus.ACCEPTED, InviteStatus.REVOKED},
    },
    stamps={InviteStatus.ACCEPTED: "accepted_at", InviteStatus.REVOKED: "revoked_at"},
)
