"""Recognising personal data and secrets by their form, their check digits and their names."""

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log2

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
    """How something looks: ``refine`` gives the parts of a match that are meant, in their order."""

    pattern: str
    refine: Callable[[str], Sequence[str]]


# Texts are often JSON, where what stands before a word may be the end of an escape: "\nsk-…", "\u00e94111 …".
_ESCAPE = r"\\(?:[bfnrt]|u[0-9A-Fa-f]{4})"
_START = rf"(?:\b|{_ESCAPE})"
_TOKENS = (
    r"sk[-_][A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, Stripe, Spectral
    r"(?:rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",
    r"whsec_[A-Za-z0-9+/]{24,}={0,2}",  # Stripe, Standard Webhooks
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"AIza[0-9A-Za-z_-]{35}",
    r"ya29\.[0-9A-Za-z_-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"xapp-\d-[A-Za-z0-9-]{10,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"gsk_[A-Za-z0-9]{40,}",  # Groq
    r"xai-[A-Za-z0-9]{40,}",
    r"pplx-[A-Za-z0-9]{40,}",
    r"r8_[A-Za-z0-9]{37,}",  # Replicate
    r"lsv2_(?:pt|sk)_[A-Za-z0-9]{32,}_[A-Za-z0-9]{10}",  # LangSmith
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,}",
    r"dapi[0-9a-f]{32}",  # Databricks
    r"do[opr]_v1_[0-9a-f]{64}",  # DigitalOcean
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*",  # JSON Web Tokens (RFC 7519)
    r"(?i:bearer) [A-Za-z0-9._~+/-]{16,}=*",  # RFC 6750
    r"(?i:basic) [A-Za-z0-9+/]{8,}={0,2}",  # RFC 7617, if it holds a name and a password
    r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'\\]*:[^\s/:@\"'\\]+@",  # the password of a connection
)
_PRIVATE_KEY = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=:,.\s\\-]*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\]*)"
)
_NAMES = (
    r"(?i:(?:api|access|account|secret|private|signing|encryption)[_-]?key|(?:client|app|consumer|shared)[_-]?secret|secret"
    r"|(?:access|auth|refresh|id|session|api|bot)?[_-]?token|pass(?:word|wd|phrase)?|pwd)"
)
_VALUE = r"[A-Za-z0-9_~+/.!@#$%^*-]{8,}=*"
_NAMED = re2.compile(rf"^({_NAMES})[\"'\\]*\s*[:=]\s*[\"'\\]*({_VALUE})$")
_NAME = re2.compile(rf"{_NAMES}$")
SHORTEST_TOKEN, SHORTEST_PASSWORD = 16, 8
LEAST_BITS = 3.0
GROUPS_OF_CARDS = ((4, 4, 4, 4, 3), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (8, 8), *((length,) for length in range(13, 20)))


def is_card(piece: str) -> bool:
    """Check the first digit, which payment networks have from 2 to 6, and the last by Luhn's algorithm (ISO/IEC 7812-1).

    The first tells cards from times in milliseconds or nanoseconds, of which one in ten passes the check.
    """
    digits = [int(character) for character in piece if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return digits[:1] != [] and 2 <= digits[0] <= 6 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(piece: str) -> bool:
    """Check the two check digits modulo 97 (ISO 13616)."""
    compact = piece.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def least_length(name: str) -> int | None:
    """How long a value of this name must be to be a secret: of a ``password`` or an ``api_key``; None = it names no secret."""
    called = _NAME.search(name)
    if called is None:
        return None
    return SHORTEST_PASSWORD if called.group().lower().startswith(("pass", "pwd")) else SHORTEST_TOKEN


def is_random(value: str, least: int) -> bool:
    """Whether a value looks drawn by lot: of letters and digits, without spaces, with up to three bits of entropy a character."""
    if len(value) < least or any(map(str.isspace, value)) or not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return False
    shares = [times / len(value) for times in Counter(value).values()]
    return -sum(share * log2(share) for share in shares) >= min(LEAST_BITS, log2(len(value)) - 1.5)


def _unescaped(piece: str) -> str:
    """A match without the end of a JSON escape that it may begin with."""
    if piece[:1] != "\\":
        return piece
    return piece[6:] if piece[1] == "u" else piece[2:]


def _whole(piece: str) -> list[str]:
    return [_unescaped(piece)]


def _token(piece: str) -> list[str]:
    piece = _unescaped(piece)
    scheme, separator, credentials = piece.partition(" ")
    if separator and scheme.lower() == "basic":
        return [piece] if _is_basic(credentials) else []
    if "://" in piece and piece.endswith("@"):
        return [piece.partition("://")[2].partition(":")[2][:-1]]
    return [piece]


def _is_basic(credentials: str) -> bool:
    try:
        return b":" in b64decode(credentials, validate=True)
    except ValueError:
        return False


def _named(piece: str) -> list[str]:
    named = _NAMED.search(piece)
    least = None if named is None else least_length(named.group(1))
    return [named.group(2)] if least is not None and is_random(named.group(2), least) else []


def _iban(piece: str) -> list[str]:
    piece = _unescaped(piece)
    # Words in capitals may follow an account number and look like part of it.
    while piece and not is_iban(piece):
        piece = piece.rpartition(" ")[0]
    return [piece] if piece else []


def _cards(piece: str) -> list[str]:
    """The cards in a row of numbers, in the groups that people write them in."""
    groups = list(re.finditer(r"\d+", _unescaped(piece)))
    cards: list[str] = []
    first = 0
    while first < len(groups):
        for lengths in GROUPS_OF_CARDS:
            chosen = groups[first : first + len(lengths)]
            if tuple(len(group.group()) for group in chosen) == lengths:
                card = groups[0].string[chosen[0].start() : chosen[-1].end()]
                if is_card(card):
                    cards.append(card)
                    first += len(lengths) - 1
                    break
        first += 1
    return cards


FORMS = {
    Detector.SECRET: (
        Form(rf"{_START}(?:{'|'.join(_TOKENS)})|{_PRIVATE_KEY}", _token),
        Form(rf"{_NAMES}[\"'\\]*\s*[:=]\s*[\"'\\]*{_VALUE}", _named),
    ),
    Detector.IBAN: (Form(_START + r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _iban),),
    Detector.CARD: (Form(_START + r"(?:[2-6]\d{12,18}|[2-6]\d{3,7}(?:[ -]\d{3,8})+)\b", _cards),),
    Detector.SSN: (Form(_START + r"\d{3}-\d{2}-\d{4}\b", _whole),),
    Detector.EMAIL: (Form(rf"(?:{_ESCAPE})?" + r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}", _whole),),
    # International with its plus sign, North American, or national with a leading zero; bare digits are too often ids.
    Detector.PHONE: (
        Form(
            r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}\b"
            rf"|(?:\(\d{{3}}\) ?|{_START}\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}\b"
            rf"|{_START}0\d{{2,4}}[ /-]\d{{3,4}}[ -]?\d{{3,5}}\b",
            _whole,
        ),
    ),
}
"""Every form, the strictest first: digits of a bank account are not a phone number as well."""

PATTERNS = {form.pattern: re2.compile(form.pattern) for forms in FORMS.values() for form in forms}


def find(detector: Detector, text: str) -> Iterator[str]:
    """Every piece of a text that the detector recognises."""
    for form in FORMS[detector]:
        for match in PATTERNS[form.pattern].finditer(text):
            yield from form.refine(match.group())
