"""Rows of decisions on suggestions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.authoring.suggestions import Suggestion, SuggestionStatus
from spectral_platform.core import clock
from spectral_platform.core.columns import PydanticJSON, WorkspaceOwned, state_column
from spectral_platform.core.database import Base


class SuggestionDecision(WorkspaceOwned, Base):
    """What was decided on a suggestion, which is computed until then. ``version`` is the rubric's after it."""

    __tablename__ = "suggestion_decisions"

    rubric_id: Mapped[UUID] = mapped_column(ForeignKey("rubrics.id", ondelete="CASCADE"), primary_key=True)
    suggestion_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[SuggestionStatus] = mapped_column(state_column(SuggestionStatus, "status"))
    suggestion: Mapped[Suggestion] = mapped_column(PydanticJSON(Suggestion))
    version: Mapped[int]
    decided_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
