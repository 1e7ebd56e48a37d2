"""The life of an invite, as the full product of its states."""

from itertools import product

import pytest

from spectral_platform.invites.states import INVITE, InviteStatus

ALLOWED = {
    (InviteStatus.PENDING, InviteStatus.PENDING),
    (InviteStatus.PENDING, InviteStatus.ACCEPTED),
    (InviteStatus.PENDING, InviteStatus.REVOKED),
}


@pytest.mark.parametrize(("current", "to"), list(product(InviteStatus, InviteStatus)))
def test_exactly_the_published_moves_are_allowed(current: InviteStatus, to: InviteStatus) -> None:
    assert INVITE.allows(current, to) is ((current, to) in ALLOWED)
