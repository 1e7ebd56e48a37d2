"""Where somebody logged in: what a session says of it, so that people recognise their own."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

LONGEST_USER_AGENT = 400


@dataclass(frozen=True, slots=True)
class Device:
    """The client of a login as it presented itself; nothing here is proof of anything."""

    user_agent: str | None = None
    ip: str | None = None

    @classmethod
    def seen(cls, *, user_agent: str | None, host: str | None) -> Self:
        """What a request tells: its ``User-Agent``, cut to what a row holds, and its address if that is one."""
        # A header may hold bytes that a row cannot.
        readable = "".join(character for character in user_agent or "" if character.isprintable())
        return cls(user_agent=readable[:LONGEST_USER_AGENT] or None, ip=_address(host))


def _address(host: str | None) -> str | None:
    try:
        return str(ip_address(host or ""))
    except ValueError:  # a socket without addresses
        return None
