"""The bases of request and response schemas."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer

from spectral_platform.core.values import Exact


class Input(Exact):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Output(BaseModel):
    """A response body: read from a row's or value's attributes, every field always present."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())


def rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def decimal_string(value: Decimal) -> str:
    return format(value.normalize(), "f")


Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
Usd = Annotated[Decimal, PlainSerializer(decimal_string, return_type=str)]
