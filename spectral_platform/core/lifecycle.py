"""State machines: a table of allowed moves, and one conditional UPDATE that is the move, the lock and the race."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Update, update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.core.errors import InvalidTransitionError

S = TypeVar("S", bound=StrEnum)


class Lifecycle(Generic[S]):
    """Which state may follow which, and which column remembers when a state was entered."""

    def __init__(self, moves: Mapping[S, set[S]], *, stamps: Mapping[S, str] | None = None) -> None:
        self.moves = moves
        self.stamps = stamps or {}

    def sources(self, to: S) -> set[S]:
        """The states from which ``to`` can be entered."""
        return {state for state, targets in self.moves.items() if to in targets}

    def allows(self, current: S, to: S) -> bool:
        """Whether ``current`` may become ``to``."""
        return to in self.moves.get(current, set())

    @property
    def terminal(self) -> set[S]:
        """The states with no way out."""
        states = set(self.moves) | {target for targets in self.moves.values() for target in targets}
        return {state for state in states if not self.moves.get(state)}


class HasLifecycle(Protocol):
    """A row with a status and the table of its moves."""

    lifecycle: ClassVar[Lifecycle[Any]]

    @property
    def id(self) -> UUID:
        """The row's id."""

    @property
    def status(self) -> Any:
        """The state it is in; only ``move`` changes it."""


async def move(session: AsyncSession, row: HasLifecycle, to: StrEnum, **changes: Any) -> None:
    """Move ``row`` to a state, with further column changes, or raise ``InvalidTransitionError``.

    One ``UPDATE … WHERE status IN (sources)``: of two callers racing the same move exactly one wins, and the row is refreshed so
    that the loser's error names the state that it lost to.
    """
    kind: Any = type(row)
    moved = await session.execute(_move(kind, to, changes).where(kind.id == row.id).returning(kind.id))
    won = moved.scalar_one_or_none() is not None
    await session.refresh(row)
    if not won:
        raise InvalidTransitionError(kind.__name__, str(row.status), str(to))


async def move_all(session: AsyncSession, kind: Any, to: StrEnum, *conditions: ColumnElement[bool], **changes: Any) -> None:
    """Move all rows of a kind that meet the conditions and may enter the state. What the session holds of them is out of date."""
    await session.execute(_move(kind, to, changes).where(*conditions))


def _move(kind: Any, to: StrEnum, changes: Mapping[str, Any]) -> Update:
    lifecycle = kind.lifecycle
    stamp = {lifecycle.stamps[to]: clock.now()} if to in lifecycle.stamps else {}
    return (
        update(kind)
        .where(kind.status.in_(lifecycle.sources(to)))
        .values(status=to, **stamp, **changes)
        .execution_options(synchronize_session=False)
    )
