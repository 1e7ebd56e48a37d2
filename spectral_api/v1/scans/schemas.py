"""Bodies of the scans' endpoints."""

from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, computed_field

from spectral_api.paging import Pagination
from spectral_api.schemas import Input, Output, Time, Usd
from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.llm.models import ScanBudget
from spectral_platform.llm.queries import Spending
from spectral_platform.scans.queries import Cost, Report, ScanView
from spectral_platform.scans.quoting import Readiness
from spectral_platform.scans.settings import ResolvedSettings, ScanSettings
from spectral_platform.scans.states import Phase, ScanStatus, Trigger
from spectral_platform.scans.verdicts.verdict import Verdict


class ScanCreate(ScanSettings, Input):
    """What to scan; an absent field is taken from the workspace's `scan_defaults`, else from the server."""

    model_config = ConfigDict(
        frozen=False,
        extra="forbid",
        json_schema_extra={"examples": [{}, {"seed": 7, "max_candidates": 6, "budget": {"max_usd": "2.50"}}]},
    )

    def settings(self) -> ScanSettings:
        """What was asked for, without what was left out."""
        return ScanSettings.model_validate(self.model_dump(exclude_unset=True))


class Failure(Output):
    """Why Spectral could not do its work."""

    slug: str = Field(description="The kind of problem.", examples=["internal-error"])
    detail: str = Field(description="What happened.")


class Progress(Output):
    """How far the scan has come, counted in answered model calls."""

    done: int = Field(description="Answered so far.", examples=[420])
    total: int = Field(description="Expected in all; an estimate until the end.", examples=[1240])
    percent: int = Field(description="The same in percent.", examples=[33])
    eta_s: int | None = Field(description="Seconds to go, estimated; null when nothing is known yet.")


class Scan(Output):
    """A scan."""

    id: UUID = Field(description="The scan.")
    status: ScanStatus = Field(description="Where it stands.")
    phase: Phase | None = Field(description="The phase it is in or ended in; null before the first.")
    progress: Progress = Field(description="How far it has come.")
    trigger: Trigger = Field(description="What started it.")
    readiness: Readiness = Field(description="What it can show.")
    settings: ResolvedSettings = Field(description="What it uses, every version pinned.")
    simulated: bool = Field(description="Whether the simulator plays all models.")
    verdict: Verdict | None = Field(description="What it concluded; null until then.")
    changeset_id: UUID | None = Field(description="The changeset that it made, if any.")
    retried_from: UUID | None = Field(description="The scan that it tries again, if any.")
    schedule_id: UUID | None = Field(description="The schedule that started it, if any.")
    cost_usd: Usd | None = Field(description="Spent so far in US dollars, by known prices; null when no call has one.")
    created_at: Time = Field(description="When it was asked for.")
    started_at: Time | None = Field(description="When a worker first took it up.")
    finished_at: Time | None = Field(description="When it ended.")
    attempt: int = Field(description="How many times a worker took it up.")
    failure: Failure | None = Field(description="Why it failed, if it did.")

    @computed_field(description="The same id under its other name.")
    @property
    def scan_id(self) -> UUID:
        """The scan's id under its other name."""
        return self.id

    @classmethod
    def of(cls, view: ScanView) -> Self:
        """The body for a scan as it was read."""
        scan = view.scan
        names = cls.model_fields.keys() - {"progress", "cost_usd"}
        return cls(
            **{name: getattr(scan, name) for name in names},
            progress=Progress.model_validate(view.progress),
            cost_usd=view.budget.spent_usd or (None if view.budget.spent_calls else Decimal(0)),
        )


class ScanEvent(Output):
    """Something that happened in a scan."""

    sequence: int = Field(description="Its number, from 1 without gaps.", examples=[3])
    at: Time = Field(description="When.")
    phase: Phase | None = Field(description="In which phase.")
    level: str = Field(description="`info`, `warning` or `error`.", examples=["info"])
    type: str = Field(description="What kind of event.", examples=["finalist_frozen"])
    message: str = Field(description="The event in words.")
    data: dict[str, Any] = Field(description="Its figures.")


class Tokens(Output):
    """Calls with their tokens and cost."""

    calls: int = Field(description="Answered calls.", examples=[311])
    cache_hits: int = Field(description="Times a stored answer was used again instead of a call.")
    input_tokens: int = Field(description="Tokens sent, cached ones included.")
    cached_input_tokens: int = Field(description="Those of them that the provider had cached.")
    output_tokens: int = Field(description="Tokens received.")
    cost_usd: Usd | None = Field(description="US dollars; null when no call has a known price.")


class ModelSpending(Tokens):
    """What one model came to."""

    model: str = Field(description="The model.", examples=["gpt-4o-mini"])
    provider: str = Field(description="Who served it.", examples=["openai"])


class PhaseSpending(Tokens):
    """What one phase came to."""

    phase: str = Field(description="The phase.", examples=["evaluate"])


class PurposeSpending(Tokens):
    """What one purpose came to."""

    purpose: str = Field(description="The purpose.", examples=["agent_turn"])


class BudgetState(Output):
    """What the scan may spend and has spent."""

    max_usd: Usd = Field(description="The limit in US dollars.")
    reserved_usd: Usd = Field(description="Promised to calls in flight.")
    spent_usd: Usd = Field(description="Spent; abandoned calls count at their reservation.")
    max_calls: int = Field(description="The limit in calls.")
    reserved_calls: int = Field(description="Calls in flight.")
    spent_calls: int = Field(description="Calls made.")


class ScanCost(Output):
    """What a scan has cost."""

    total_usd: Usd | None = Field(description="US dollars; null when no call has a known price.")
    unpriced_calls: int = Field(description="Calls whose price nobody knows.")
    simulated: bool = Field(description="Whether the prices are the simulator's nominal ones.")
    by_model: list[ModelSpending] = Field(description="By model, the dearest first.")
    by_phase: list[PhaseSpending] = Field(description="By phase, the dearest first.")
    by_purpose: list[PurposeSpending] = Field(description="By purpose, the dearest first.")
    budget: BudgetState = Field(description="Against the budget.")

    @classmethod
    def of(cls, cost: Cost) -> Self:
        """The body for a cost as it was read."""
        priced = [spending.cost_usd for spending in cost.by_model if spending.cost_usd is not None]
        return cls(
            total_usd=sum(priced[1:], priced[0]) if priced else None,
            unpriced_calls=sum(spending.unpriced_calls for spending in cost.by_model),
            simulated=cost.scan.simulated,
            by_model=[ModelSpending(model=s.group[0], provider=s.group[1], **_tokens(s)) for s in cost.by_model],
            by_phase=[PhaseSpending(phase=s.group[0], **_tokens(s)) for s in cost.by_phase],
            by_purpose=[PurposeSpending(purpose=s.group[0], **_tokens(s)) for s in cost.by_purpose],
            budget=_budget(cost.budget),
        )


class Candidate(Output):
    """A config that the scan tried."""

    position: int = Field(description="Its place in the order of proposals.", examples=[1])
    agent_id: UUID = Field(description="Whose config it is.")
    key: str = Field(description="SHA-256 of the config.")
    parent_key: str = Field(description="SHA-256 of the config that it was made from.")
    strategy: str = Field(description="How it was found.", examples=["reflective"])
    component: str = Field(description="Which part it changes.", examples=["base_prompt"])
    rationale: str = Field(description="Why it should help.")
    cluster_signature: str | None = Field(description="The failure cluster that it answers to.")
    fate: str = Field(
        description="`finalist`, `no_gain`, `harms_authority_a`, `outranked`, `invalid`, `breaks_constraint` or `out_of_budget`.",
        examples=["harms_authority_a"],
    )
    fate_detail: str = Field(description="Why, with figures.")
    dev: dict[str, Any] = Field(description="Its figures on dev cases; an optimistic view, since it was chosen by them.")
    config: AgentConfig = Field(description="The config itself.")


class ScanReport(Output):
    """What a scan found."""

    scan: Scan = Field(description="The scan with its verdict.")
    clusters: dict[str, list[dict[str, Any]]] = Field(description="Failure clusters by agent, the most harmful first.")
    candidates: list[Candidate] = Field(description="Every candidate with what became of it.")

    @classmethod
    def of(cls, report: Report) -> Self:
        """The body for a report as it was read."""
        return cls(
            scan=Scan.of(report.view),
            clusters=report.clusters,
            candidates=[Candidate.model_validate(candidate) for candidate in report.candidates],
        )


class LogPagination(Pagination):
    """Which part of a log this is."""

    next_cursor: int = Field(description="Where the next page begins, also when nothing more has been said yet.", examples=[12])


class StepLog(Output):
    """A page of what a step has said. ``total`` counts what comes after the cursor."""

    results: list[ScanEvent] = Field(description="Its events, in order.")
    pagination: LogPagination = Field(description="Which part this is.")


class Artifact(Output):
    """A file that a scan has left."""

    id: UUID = Field(description="The file.")
    path: str = Field(description="Its name.", examples=["scores.parquet"])
    media_type: str = Field(description="What it holds.", examples=["application/vnd.apache.parquet"])
    size_bytes: int = Field(description="How long it is.")
    sha256: str = Field(description="SHA-256 of its content, in hex.")
    url: str = Field(description="Where to download it, for an hour and without a credential.")
    created_at: Time = Field(description="When it was made.")


def _tokens(spending: Spending) -> dict[str, Any]:
    return {name: getattr(spending, name) for name in Tokens.model_fields}


def _budget(budget: ScanBudget) -> BudgetState:
    return BudgetState.model_validate(budget)
