"""Secret headers of an agent's endpoint: which ones may be given, and where they may be sent."""

import re
from collections.abc import Mapping

import orjson
from pydantic import HttpUrl, SecretStr

MOST_HEADERS = 20
LONGEST_NAME = 100
LONGEST_VALUE = 8_192
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, section 5.6.2."""
VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
"""Visible ASCII with blanks inside: nothing that could end the header and begin another."""
OWN = {
    "host",
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
}
"""Headers that the call itself sets."""
OWN_PREFIXES = ("spectral-", "proxy-")


class SecretHeaders(dict[str, str]):
    """Headers by their name in lower case, in the clear: only what makes the call may hold them."""

    @staticmethod
    def check(given: dict[str, SecretStr]) -> dict[str, SecretStr]:
        """Refuse names and values that are no headers, or that are not the caller's to set. Values are never told."""
        for name, value in given.items():
            if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
                raise ValueError("a header's name is made of letters, digits and hyphens")
            if name.lower() in OWN or name.lower().startswith(OWN_PREFIXES):
                raise ValueError(f"the header {name} is set by the call itself")
            secret = value.get_secret_value()
            if len(secret) > LONGEST_VALUE or not VALUE.fullmatch(secret):
                raise ValueError(f"the value of {name} is not 1 to {LONGEST_VALUE} characters of visible ASCII")
        if len({name.lower() for name in given}) < len(given):
            raise ValueError("a header is there twice")
        return given

    @classmethod
    def of(cls, given: Mapping[str, SecretStr]) -> "SecretHeaders":
        """What was handed in."""
        return cls({name.lower(): value.get_secret_value() for name, value in sorted(given.items())})

    @classmethod
    def parse(cls, written: str) -> "SecretHeaders":
        """Read what ``written`` wrote."""
        return cls(orjson.loads(written))

    def written(self) -> str:
        """As the text that is sealed."""
        return orjson.dumps(self).decode()

    def __repr__(self) -> str:
        """The names alone: headers must not come into a log by way of a traceback."""
        return f"SecretHeaders({', '.join(self)})"


def origin_of(url: HttpUrl) -> str:
    """Scheme, host and port of a URL (RFC 6454): secret headers that were given for one go to no other."""
    return f"{url.scheme}://{url.host}:{url.port}"
