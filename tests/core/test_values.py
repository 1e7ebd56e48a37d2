"""What values take, and what they take for what."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import Field, ValidationError

from spectral_platform.core.paging import Filter
from spectral_platform.core.values import Value


class Part(Value):
    """A part of a whole."""

    type: str
    weight: float | None = Field(default=None, gt=0)


class Whole(Value):
    """A value with parts."""

    id: UUID
    at: datetime | None = None
    count: int = 0
    is_open: bool = False
    parts: tuple[Part, ...] = ()
    shares: dict[str, float] = Field(default_factory=dict)


class Typeless(Whole, exact=False):
    """A whole whose parts come as text."""


class Wanted(Filter):
    """Which wholes to list."""

    count: int | None = None
    is_open: bool | None = None


ID = "01a2023e-561e-7e99-ba84-ccfa34ec6270"
NOT_WHAT_THEY_SEEM: list[dict[str, Any]] = [
    {"count": "5"},
    {"count": True},
    {"count": 5.0},
    {"is_open": 0},
    {"is_open": "yes"},
    {"parts": [{"type": "a", "weight": "1"}]},
    {"parts": [{"type": "a", "weight": True}]},
    {"shares": {"a": "1"}},
]


@pytest.mark.parametrize("fields", NOT_WHAT_THEY_SEEM)
def test_a_number_is_a_number(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Whole.model_validate({"id": ID} | fields)


def test_times_ids_and_whole_numbers_are_what_json_writes() -> None:
    read = Whole.model_validate({"id": ID, "at": "2026-09-01T08:00:00Z", "parts": [{"type": "a", "weight": 1}]})

    assert read.id == UUID(ID)
    assert read.at is not None
    assert read.parts[0].weight == 1.0


@pytest.mark.parametrize("fields", [{"count": "5"}, {"is_open": "true"}, {"shares": {"a": "1"}}])
def test_a_class_that_reads_text_takes_text(fields: dict[str, Any]) -> None:
    assert Typeless.model_validate({"id": ID} | fields).id == UUID(ID)


def test_a_filter_reads_its_own_of_a_query_string() -> None:
    assert Wanted.model_validate({"count": "5", "is_open": "true", "limit": "20"}) == Wanted(count=5, is_open=True)
