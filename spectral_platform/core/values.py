"""The bases of value classes: what is read is what was written, and stays so."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema

NUMBERS = {"int", "float", "bool"}
NUMBER = re.compile(r"\s*[-+]?[0-9.]+(e[-+]?[0-9]+)?\s*", re.IGNORECASE)


def _no_number(value: object) -> object:
    """Refuse seconds since 1970, which would be read as a time as well: the contract has RFC 3339 only."""
    if isinstance(value, int | float) or (isinstance(value, str) and NUMBER.fullmatch(value)):
        raise ValueError("a time is written as RFC 3339 says, such as 2026-09-01T08:00:00Z, and a day as 2026-09-01")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC this lies outside of the years 1 to 9999") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]
"""A time that somebody tells us, in UTC."""
Day = Annotated[date, BeforeValidator(_no_number)]
"""A day that somebody tells us."""


def _make_exact(schema: Any) -> None:
    """Mark every number and truth value in a schema as strict, at any depth."""
    if isinstance(schema, dict):
        if str(schema.get("type")) in NUMBERS:  # a field may be called "type", and then this is its schema
            schema.setdefault("strict", True)
        for part in schema.values():
            _make_exact(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            _make_exact(part)


class Exact(BaseModel):
    """Takes no ``"5"`` and no ``true`` for a number, and no ``0`` for a truth value.

    Pydantic's own strict mode would also refuse the strings in which JSON writes times and ids. A class that reads what has no
    types, such as a query string, is declared with ``exact=False``.
    """

    _exact: ClassVar[bool] = True

    def __init_subclass__(cls, *, exact: bool | None = None, **options: Any) -> None:
        """Keep what the declaration says."""
        super().__init_subclass__(**options)
        if exact is not None:
            cls._exact = exact

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema that pydantic made, with exact numbers."""
        schema = handler(source)
        if cls._exact:
            _make_exact(schema)
        return schema


class Value(Exact):
    """A frozen value that refuses unknown fields; JSON documents in columns are values too."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
