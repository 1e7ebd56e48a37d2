"""Values as Postgres takes them in a binary ``COPY``: each with its size in bytes before it, numbers in network order.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"; of the types, what their ``recv`` functions read.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from struct import Struct
from uuid import UUID

from psycopg import adapters
from psycopg.adapt import PyFormat

SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
END = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TEXT_OID = 25
JSONB_VERSION = 1

sized = Struct(">i").pack
"""The size of what follows."""
row = Struct(">h").pack
"""The beginning of a row: how many columns it has."""
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
_ARRAY = Struct(">iiIii").pack
_NO_ITEMS = Struct(">iiiI").pack(12, 0, 0, TEXT_OID)
_JSONB = Struct(">ib").pack
_numeric = adapters.get_dumper(Decimal, PyFormat.BINARY)(Decimal).dump


def text(value: str | None) -> bytes:
    """A text. Raises ValueError for what Postgres cannot store: NUL, and halves of a character."""
    if value is None:
        return NULL
    encoded = value.encode()
    if 0 in encoded:
        raise ValueError("NUL in a text")
    return sized(len(encoded)) + encoded


def texts(values: Sequence[str]) -> bytes:
    """An array of texts."""
    if not values:
        return _NO_ITEMS
    items = _ARRAY(1, 0, TEXT_OID, len(values), 1) + b"".join(map(text, values))
    return sized(len(items)) + items


def int4(value: int | None) -> bytes:
    """A number of four bytes."""
    return NULL if value is None else _INT4(4, value)


def int8(value: int | None) -> bytes:
    """A number of eight bytes."""
    return NULL if value is None else _INT8(8, value)


def numeric(value: Decimal) -> bytes:
    """A decimal number, with as many digits as it has."""
    dumped = bytes(_numeric(value) or b"")
    return sized(len(dumped)) + dumped


def uuid(value: UUID) -> bytes:
    """A UUID."""
    return sized(16) + value.bytes


def microseconds(moment: datetime) -> int:
    """A time as ``timestamptz`` counts it."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def day(value: date) -> bytes:
    """A date."""
    return _INT4(4, (value - EPOCH.date()).days)


def jsonb_beginning(document: bytes) -> bytes:
    """What stands before a document of JSON: the size of both, and the number of the format's version."""
    return _JSONB(len(document) + 1, JSONB_VERSION)


def jsonb(document: bytes) -> bytes:
    """A document of JSON."""
    return jsonb_beginning(document) + document
