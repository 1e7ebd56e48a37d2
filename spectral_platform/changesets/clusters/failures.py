"""A failure as clustering sees it, and what of its text tells causes apart."""

import re

from pydantic import Field

from spectral_platform.core.values import Value


class Failure(Value):
    """One thing that went wrong: how it is told, and what is known of it exactly.

    ``key`` names it and is its finder's. Of ``text`` only the first line is quoted; the others are there to be compared.
    ``fingerprint`` holds what is known, such as the failing criterion, the tool and the class of the error, the criterion first;
    ``asked`` is what its criterion asks of an answer, in words made for people; empty where nothing says so. ``severity`` is the
    loss in [0, 1].
    """

    key: str
    text: str
    fingerprint: tuple[str, ...] = ()
    asked: str = ""
    severity: float = Field(default=1.0, ge=0, le=1)


_MASKS = (
    (re.compile(r"https?://\S+"), " url "),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+"), " email "),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), " id "),
    (re.compile(r'"[^"\n]*"|“[^”\n]*”|«[^»\n]*»|`[^`\n]*`'), " quote "),
    (re.compile(r"\b(?=\w*\d)(?=\w*[a-z])\w{6,}\b", re.IGNORECASE), " id "),
    (re.compile(r"\d+(?:[.,:]\d+)*"), " number "),
)
PLACEHOLDERS = frozenset({"url", "email", "id", "quote", "number"})
_LONGEST_TEXT = 2_000
"""Characters that are read; what went wrong is said at the beginning."""


def mask(text: str) -> str:
    """Replace what differs from case to case, such as numbers, addresses and quotes, and even out case and spacing."""
    text = text[:_LONGEST_TEXT]
    for pattern, placeholder in _MASKS:
        text = pattern.sub(placeholder, text)
    return " ".join(text.casefold().split())
