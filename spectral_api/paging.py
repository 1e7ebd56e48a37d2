"""Pages over HTTP: the query parameters and the envelope of every collection."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import Field

from spectral_api.schemas import Output
from spectral_platform.core.paging import Page, PageRequest

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="At most so many results.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="Skip so many results.")]


class Pagination(Output):
    """Where a page stands."""

    total: int = Field(description="How many results there are in all.", examples=[42])
    limit: int = Field(description="At most so many are on a page.", examples=[20])
    offset: int = Field(description="So many come before this page.", examples=[0])


class Results(Output, Generic[T]):
    """One page of a collection."""

    results: list[T] = Field(description="The results of this page.")
    pagination: Pagination = Field(description="Where this page stands.")


def envelope(page: Page[Any]) -> dict[str, Any]:
    """A page as the body of a collection."""
    return {
        "results": page.results,
        "pagination": {"total": page.total, "limit": page.limit, "offset": page.offset},
    }


async def page_request(
    limit: Limit = 20,
    offset: Offset = 0,
    sort: Annotated[
        Literal["created_at", "-created_at"], Query(description="Order by time; a leading `-` = the newest first.")
    ] = "-created_at",
) -> PageRequest:
    """The page of a collection that is ordered by time alone."""
    return PageRequest(limit=limit, offset=offset, sort=sort)


async def page_by_name(
    limit: Limit = 20,
    offset: Offset = 0,
    sort: Annotated[
        Literal["created_at", "-created_at", "name", "-name"], Query(description="Order; a leading `-` = descending.")
    ] = "-created_at",
) -> PageRequest:
    """The page of a collection that is ordered by time or by name."""
    return PageRequest(limit=limit, offset=offset, sort=sort)


PageByTime = Annotated[PageRequest, Depends(page_request)]
PageByName = Annotated[PageRequest, Depends(page_by_name)]
