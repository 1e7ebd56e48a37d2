"""Whose attempts are counted, and how long who fails too often has to wait."""

import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Self

from spectral_platform.core import crypto

LONGEST_WAIT = timedelta(minutes=15)
MOST_DOUBLINGS = 30
IPV6_NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Rule:
    """So many failures cost nothing; each further one doubles the wait. Failures are forgotten after a time without any."""

    name: str
    tolerated: int
    first_wait: timedelta
    forgotten_after: timedelta

    def wait(self, failures: int) -> timedelta:
        """How long to wait after so many failures."""
        excess = failures - self.tolerated
        if excess <= 0:
            return timedelta()
        doublings = min(excess - 1, MOST_DOUBLINGS)
        return min(LONGEST_WAIT, self.first_wait * (1 << doublings))


PASSWORDS = Rule("password", tolerated=5, first_wait=timedelta(seconds=2), forgotten_after=timedelta(days=1))
"""Wrong passwords for one email address: at the longest wait that is a hundred guesses a day."""
LETTERS = Rule("letter", tolerated=3, first_wait=timedelta(minutes=1), forgotten_after=timedelta(hours=2))
"""Letters that strangers have sent to one email address."""
ADDRESSES = Rule("address", tolerated=50, first_wait=timedelta(seconds=2), forgotten_after=timedelta(hours=1))
"""Failures from one client address, behind which a whole office may sit."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody whose attempts are counted. Rows hold only the digest, so the table is no list of email addresses."""

    rule: Rule
    digest: str

    @classmethod
    def of(cls, rule: Rule, secret: str, name: str) -> Self:
        """The subject that a rule counts under a name."""
        return cls(rule, crypto.keyed_digest(secret.encode(), "lockout", rule.name, name).hex())


def subjects_of(rule: Rule, secret: str, *, email: str | None, ip: str | None) -> tuple[Subject, ...]:
    """Whose attempt this is: the email address's, whether or not anybody has it, and the client address's."""
    by_email = () if email is None else (Subject.of(rule, secret, _folded(email)),)
    network = network_of(ip)
    return by_email if network is None else (*by_email, Subject.of(ADDRESSES, secret, network))


def _folded(email: str) -> str:
    """The address without case and accents: nobody may have more guesses at a person by writing them in another way."""
    decomposed = unicodedata.normalize("NFKD", email.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def network_of(ip: str | None) -> str | None:
    """What is counted as one client: an IPv4 address, or the network that an IPv6 host chooses its addresses from.

    None for loopback: that is the operator, or a proxy which ``SPECTRAL_TRUSTED_PROXIES`` does not name and behind which
    everybody would be one client.
    """
    if ip is None or ip_address(ip).is_loopback:
        return None
    address = ip_address(ip)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return network_of(str(address.ipv4_mapped))
        return str(ip_network((int(address), IPV6_NETWORK_BITS), strict=False))
    return str(address)
