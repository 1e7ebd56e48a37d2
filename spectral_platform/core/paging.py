"""Pages of results: what is asked for, what is answered, and how a select becomes a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from spectral_platform.core.values import Exact

T = TypeVar("T")


class Filter(Exact, exact=False):
    """Which rows to list; None = any. It reads its own of a query string's parameters and leaves the others to others."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def equals(self, **columns: InstrumentedAttribute[Any]) -> list[ColumnElement[bool]]:
        """The conditions that each of these columns has the value that is asked for under its name."""
        return [column == wanted for name, column in columns.items() if (wanted := getattr(self, name)) is not None]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page: at most ``limit`` rows after ``offset``, in the order ``sort`` (a leading ``-`` = descending)."""

    limit: int = 20
    offset: int = 0
    sort: str = "-created_at"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page and how many rows there are in all."""

    results: Sequence[T]
    total: int
    limit: int
    offset: int


async def paginate(
    session: AsyncSession,
    statement: Select[T],
    page: PageRequest,
    *,
    columns: Mapping[str, InstrumentedAttribute[Any]],
    tiebreak: InstrumentedAttribute[Any],
) -> Page[T]:
    """Run a select as a page. Ties are broken by ``tiebreak``, so pages never overlap."""
    column = columns[page.sort.removeprefix("-")]
    order = (column.desc(), tiebreak.desc()) if page.sort.startswith("-") else (column.asc(), tiebreak.asc())
    total = await session.scalar(select(func.count()).select_from(statement.order_by(None).subquery()))
    rows = await session.scalars(statement.order_by(*order).limit(page.limit).offset(page.offset))
    return Page(results=rows.all(), total=total or 0, limit=page.limit, offset=page.offset)
