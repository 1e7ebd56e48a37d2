"""The steps of a scan: each phase for each agent, told from the scan's events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from pydantic import Field, JsonValue

from spectral_platform.core.values import Value
from spectral_platform.scans.models import Scan, ScanEvent
from spectral_platform.scans.states import Phase, ScanStatus

PHASE_STARTED, PHASE_SKIPPED = "phase_started", "phase_skipped"


class StepStatus(StrEnum):
    """How a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = {
    ScanStatus.FAILED: StepStatus.FAILED,
    ScanStatus.CANCELLED: StepStatus.CANCELLED,
}
"""What a step is that had begun when its scan ended before its time; one that had not begun stays pending."""


class Step(Value):
    """One phase of a scan for one agent."""

    id: UUID = Field(description="The step; it stays the same when the scan is resumed.")
    phase: Phase = Field(description="The phase.")
    agent_id: UUID = Field(description="The agent.")
    agent_name: str = Field(description="The agent's name when the scan was asked for.")
    status: StepStatus = Field(description="How it stands.")
    attempts: int = Field(description="How many workers have taken the scan up; 0 before it began.")
    started_at: datetime | None = Field(description="When the phase began.")
    finished_at: datetime | None = Field(description="When it ended.")
    metrics: dict[str, JsonValue] = Field(description="The figures that it has told, by name.")


def list_steps(scan: Scan, events: Sequence[ScanEvent]) -> tuple[Step, ...]:
    """The steps of a scan in the order of phases and agents, from all of its events in order."""
    started = {event.phase: event.at for event in events if event.type == PHASE_STARTED and event.phase}
    skipped = {event.phase for event in events if event.type == PHASE_SKIPPED}
    phases = list(Phase)
    steps = []
    for place, phase in enumerate(phases):
        later = next((started[other] for other in phases[place + 1 :] if other in started), None)
        finished = later or (scan.finished_at if phase in started else None)
        for agent in scan.settings.agents:
            steps.append(
                Step(
                    id=step_id(scan.id, phase, agent.agent_id),
                    phase=phase,
                    agent_id=agent.agent_id,
                    agent_name=agent.name,
                    status=_status(scan, phase, started, skipped, has_later=later is not None),
                    attempts=scan.attempt if phase in started else 0,
                    started_at=started.get(phase),
                    finished_at=finished,
                    metrics=_metrics(step_events(events, phase, agent.agent_id)),
                )
            )
    return tuple(steps)


def step_id(scan_id: UUID, phase: Phase, agent_id: UUID) -> UUID:
    """Names a step: the same phase of the same agent in the same scan, always."""
    return uuid5(scan_id, f"{phase}:{agent_id}")


def step_events(events: Sequence[ScanEvent], phase: Phase, agent_id: UUID) -> list[ScanEvent]:
    """What a phase has said of an agent, and of all of them."""
    return [
        event for event in events if event.phase is phase and (not _is_agent(event.subject) or event.subject == str(agent_id))
    ]


def _is_agent(subject: str) -> bool:
    try:
        UUID(subject)
    except ValueError:
        return False
    return True


def _status(
    scan: Scan, phase: Phase, started: Mapping[Phase, datetime], skipped: set[Phase | None], *, has_later: bool
) -> StepStatus:
    if phase not in started:
        return StepStatus.SKIPPED if has_later or scan.status is ScanStatus.COMPLETED else StepStatus.PENDING
    if phase in skipped:
        return StepStatus.SKIPPED
    if has_later or scan.status is ScanStatus.COMPLETED:
        return StepStatus.COMPLETED
    return UNFINISHED.get(scan.status, StepStatus.RUNNING)


def _metrics(events: Sequence[ScanEvent]) -> dict[str, JsonValue]:
    """Every plain figure that was told, the last one of each name."""
    return {name: value for event in events for name, value in event.data.items() if isinstance(value, int | float)}
