"""Column mixins and types that every room's rows share."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import DateTime, Dialect, Enum, ForeignKey, Select, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.types import TypeDecorator

from spectral_platform.core import clock

M = TypeVar("M", bound=BaseModel)


class Identified:
    """A row with a UUIDv7 of its own."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=clock.new_id)


class Created:
    """A row that knows when it was made."""

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)


class Timestamped(Created):
    """A row that knows when it was made and last changed."""

    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now, onupdate=clock.now)


class SoftDeleted:
    """A row that is gone for everybody once it has been deleted, and kept for a while."""

    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class AccountOwned:
    """A row of one account; row-level security keeps it there."""

    @declared_attr
    def account_id(cls) -> Mapped[UUID]:  # noqa: N805 - a declared attribute receives the class
        """The account that owns the row."""
        return mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)


class WorkspaceOwned:
    """A row of one workspace; row-level security keeps it there."""

    @declared_attr
    def workspace_id(cls) -> Mapped[UUID]:  # noqa: N805 - a declared attribute receives the class
        """The workspace that owns the row."""
        return mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), index=True)

    @classmethod
    def in_workspace(cls, workspace_id: UUID) -> Select[Self]:
        """Select these rows of one workspace: where every query on them starts."""
        return select(cls).where(cls.workspace_id == workspace_id)


class PydanticJSON(TypeDecorator[Any]):
    """A JSON document that is one pydantic type, or a container of it, on the Python side."""

    impl = JSONB
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__(none_as_null=True)
        self.kind = kind
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Write the document as JSON."""
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Read the document back as its type."""
        return None if value is None else self._adapter.validate_python(value, strict=False)


def state_column(kind: type[StrEnum], name: str) -> Enum:
    """A text column whose CHECK constraint comes from the enum; ``name`` names the constraint."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        name=name,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )
