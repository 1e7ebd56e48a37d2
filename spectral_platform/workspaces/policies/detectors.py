"""Recognising personal data and secrets by their form and their check digits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import re2


class Detector(StrEnum):
    """What is recognised without a pattern of the workspace's own."""

    SECRET = "secret"
    IBAN = "iban"
    CARD = "card"
    SSN = "ssn"
    EMAIL = "email"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Form:
    """How something looks: ``refine`` gives the part of a match that is meant, or an empty text for none."""

    pattern: str
    refine: Callable[[str], str] = str


_SECRETS = (
    r"sk[-_][A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, Stripe, Spectral
    r"(?:rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"AIza[0-9A-Za-z_-]{35}",
    r"ya29\.[0-9A-Za-z_-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"npm_[A-Za-z0-9]{36}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*",  # JSON Web Tokens (RFC 7519)
    r"[Bb]earer [A-Za-z0-9._~+/-]{16,}=*",  # RFC 6750
)
_PRIVATE_KEY = r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"


def is_card(piece: str) -> bool:
    """Check the last digit by Luhn's algorithm (ISO/IEC 7812-1)."""
    digits = [int(character) for character in piece if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(piece: str) -> bool:
    """Check the two check digits modulo 97 (ISO 13616)."""
    compact = piece.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def _iban(piece: str) -> str:
    # Words in capitals may follow an account number and look like part of it.
    while piece and not is_iban(piece):
        piece = piece.rpartition(" ")[0]
    return piece


FORMS = {
    Detector.SECRET: Form(rf"\b(?:{'|'.join(_SECRETS)})|{_PRIVATE_KEY}"),
    Detector.IBAN: Form(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _iban),
    Detector.CARD: Form(r"\b\d(?:[ -]?\d){12,18}\b", lambda piece: piece if is_card(piece) else ""),
    Detector.SSN: Form(r"\b\d{3}-\d{2}-\d{4}\b"),
    Detector.EMAIL: Form(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
    # International with its plus sign, North American, or national with a leading zero; bare digits are too often ids.
    Detector.PHONE: Form(
        r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}\b"
        r"|(?:\(\d{3}\) ?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b"
        r"|\b0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5}\b"
    ),
}
"""Every form, the strictest first: digits of a bank account are not a phone number as well."""

PATTERNS: dict[Detector, Any] = {detector: re2.compile(form.pattern) for detector, form in FORMS.items()}


def find(detector: Detector, text: str) -> Iterator[str]:
    """Every piece of a text that the detector recognises."""
    refine = FORMS[detector].refine
    for match in PATTERNS[detector].finditer(text):
        piece = refine(match.group())
        if piece:
            yield piece
