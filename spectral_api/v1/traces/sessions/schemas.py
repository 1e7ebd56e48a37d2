"""Bodies of the sessions' endpoints."""

from uuid import UUID

from pydantic import Field

from spectral_api.paging import Pagination
from spectral_api.schemas import Output, Time, Usd
from spectral_platform.traces.models import TraceStatus
from spectral_platform.traces.sessions.queries import SessionFilter


class SessionQuery(SessionFilter, exact=False):
    """Which sessions, and which page of them."""

    limit: int = Field(default=20, ge=1, le=200, description="At most so many results.")
    offset: int = Field(default=0, ge=0, le=10_000, description="Skip so many results; to go further back, use `until`.")


class SessionPagination(Pagination):
    """Where a page of sessions stands."""

    total_capped: bool = Field(description="True when counting stopped at 10000.", examples=[False])


class Session(Output):
    """A conversation: the traces that share a session id."""

    id: str = Field(description="The session's id, as its traces have it.", examples=["c-77"])
    session_id: str = Field(description="The same id under its other name.", examples=["c-77"])
    user_id: str | None = Field(description="The end user who was served.")
    agents: list[str] = Field(description="The agents that served, by name.", examples=[["support"]])
    trace_count: int = Field(description="How many traces there are.", examples=[5])
    error_count: int = Field(description="How many of them failed.", examples=[0])
    status: TraceStatus = Field(description="`error` when one of them failed.", examples=["ok"])
    started_at: Time = Field(description="When the first trace began.")
    last_at: Time = Field(description="When the last one ended.")
    total_tokens: int | None = Field(description="Tokens in and out of models; null = unknown.", examples=[2210])
    cost_usd: Usd | None = Field(description="What is known of the costs, in US dollars; null when nothing is.")
    feedback_score: float | None = Field(description="Mean of all feedback, from -1 to 1; null without any.", examples=[0.5])
    feedback_count: int = Field(description="How many pieces of feedback there are.", examples=[2])


class SessionResults(Output):
    """One page of sessions."""

    results: list[Session] = Field(description="The sessions of this page.")
    pagination: SessionPagination = Field(description="Where this page stands.")


class Turn(Output):
    """One trace of a conversation."""

    id: str = Field(description="The trace.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    trace_id: str = Field(description="The same id under its other name.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    name: str = Field(description="Name of the root span.", examples=["invoke_agent support"])
    agent_id: UUID | None = Field(description="The agent nearest to the root.")
    agent_name: str | None = Field(description="Its name.", examples=["support"])
    started_at: Time = Field(description="When it began.")
    duration_ms: int = Field(description="How long it took, in milliseconds.", examples=[1840])
    status: TraceStatus = Field(description="How it went.", examples=["ok"])
    input: str | None = Field(description="What went in, whole.", examples=["Where is my order 1234?"])
    output: str | None = Field(description="What came out, whole.", examples=["It left our warehouse today."])
    total_tokens: int | None = Field(description="Tokens in and out of models; null = unknown.", examples=[450])
    cost_usd: Usd | None = Field(description="What is known of its costs, in US dollars; null when nothing is.")
    feedback_score: float | None = Field(description="Mean of all its feedback, from -1 to 1; null without any.")


class Conversation(Session):
    """A session and its turns."""

    turns: list[Turn] = Field(description="Its traces in the order in which they began.")
    turns_pagination: Pagination = Field(description="Which of the turns are shown; ask for others with `offset`.")
