"""The bases of request and response schemas."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from spectral_platform.core.values import Exact

NUMBER = re.compile(r"\s*[-+]?[0-9.]+(e[-+]?[0-9]+)?\s*", re.IGNORECASE)


class Input(Exact):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Output(BaseModel):
    """A response body: read from a row's or value's attributes, every field always present."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())


def _no_number(value: object) -> object:
    """Refuse seconds since 1970, which would be read as a time as well: the contract has RFC 3339 only."""
    if isinstance(value, int | float) or (isinstance(value, str) and NUMBER.fullmatch(value)):
        raise ValueError("a time is written as RFC 3339 says, such as 2026-09-01T08:00:00Z")
    return value


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC this lies outside of the years 1 to 9999") from None


def _decimal_string(value: Decimal) -> str:
    return format(value.normalize(), "f")


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]
"""A time in a request; one in a response is a ``Time``."""
Time = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str)]
Usd = Annotated[Decimal, PlainSerializer(_decimal_string, return_type=str)]
