"""One attempt at a scan while it runs: what it works with, what its phases have found, and the only ways in which it writes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.clusters.clustering import Cluster
from spectral_platform.changesets.clusters.findings import ClusterFinding
from spectral_platform.core import clock
from spectral_platform.core.database import Database, Question, ask, driver_of
from spectral_platform.core.database import tenant as bound_to
from spectral_platform.core.watching import CHANNEL
from spectral_platform.evaluations.calibration.certificates import Calibration
from spectral_platform.evaluations.scoring import References
from spectral_platform.llm.calling import ModelCaller
from spectral_platform.llm.errors import AttemptSuperseded
from spectral_platform.llm.ledger import Entry, Ledger, Tenant
from spectral_platform.llm.pacing import Outage
from spectral_platform.llm.purposes import Purpose
from spectral_platform.optimizers.edits import Candidate
from spectral_platform.scans.cases import Case, CaseBook
from spectral_platform.scans.failures import FailedCriterion, Traffic
from spectral_platform.scans.headroom import Headroom
from spectral_platform.scans.models import events_topic
from spectral_platform.scans.pairing import Pairs
from spectral_platform.scans.quoting import Noise, Readiness
from spectral_platform.scans.replay import Replay
from spectral_platform.scans.settings import PinnedAgent, ResolvedSettings
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Bench, Trial
from spectral_platform.scans.verdicts.gating import Conclusion
from spectral_platform.scans.verdicts.labelled import LabelledPairs
from spectral_platform.worlds.readings import Reading, confining

BASELINE = "baseline"
"""What an agent's own config is called among the candidates."""
READINGS = {
    Phase.OBSERVE: Reading.DEV,
    Phase.DETECT: Reading.TRAIN,
    Phase.CLUSTER: Reading.TRAIN,
    Phase.GENERATE: Reading.TRAIN,
    Phase.EVALUATE: Reading.DEV,
    Phase.DIAGNOSE: Reading.TRAIN,
}
"""What of the cases a phase may read. Safety has judged, and sums up what was paid for all of them."""
_OWN = "id = %(scan_id)s AND workspace_id = %(workspace_id)s AND attempt = %(attempt)s"
_CLAIM = f"SELECT attempt FROM scans WHERE {_OWN} FOR UPDATE"
_ADD = f"""
    WITH added AS (
        INSERT INTO scan_events (workspace_id, scan_id, sequence, at, phase, level, type, subject, message, data)
        SELECT
            workspace_id, id, (SELECT coalesce(max(sequence), 0) + 1 FROM scan_events WHERE scan_id = %(scan_id)s),
            %(at)s, %(phase)s, %(level)s, %(type)s, %(subject)s, %(message)s, %(data)s
        FROM scans WHERE {_OWN}
        ON CONFLICT (scan_id, type, subject) DO NOTHING
        RETURNING scan_id
    )
    SELECT pg_notify(%(channel)s, %(topic)s) FROM added
"""
_ENTER = f"UPDATE scans SET phase = %(phase)s, updated_at = %(at)s WHERE {_OWN}"
_SETTLE = f"UPDATE scans SET readiness = %(readiness)s, updated_at = %(at)s WHERE {_OWN}"
_SAVE = f"""
    INSERT INTO scan_documents (workspace_id, scan_id, name, document)
    SELECT workspace_id, id, %(name)s, %(document)s
    FROM scans WHERE {_OWN}
    ON CONFLICT (scan_id, name) DO UPDATE SET document = excluded.document
"""


@dataclass(frozen=True)
class Material:
    """What a scan reads before it begins: of the cases those to learn from and to compare on, of the sealed ones how many."""

    standard: Standard
    book: CaseBook
    sealed_groups: int
    """Groups of near-duplicates in the holdout that the verdict rests on."""
    configs: Mapping[UUID, AgentConfig]
    replay: Replay = field(default_factory=Replay)
    """What answers the agents' tools."""


@dataclass
class Contender:
    """A candidate of one agent with what has become of it."""

    agent: PinnedAgent
    candidate: Candidate
    position: int
    fate: str = "proposed"
    fate_detail: str = "Not raced yet."
    dev: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Trial] = field(default_factory=dict)
    dev_trials: list[Trial] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        """Whether it is still in the race."""
        return self.fate == "proposed"

    def drop(self, fate: str, detail: str) -> None:
        """Take it out of the race, with the reason."""
        self.fate, self.fate_detail = fate, detail


@dataclass
class Findings:
    """What the phases have found so far."""

    baseline: dict[UUID, dict[str, Trial]] = field(default_factory=dict)
    references: dict[UUID, References] = field(default_factory=dict)
    noise: Noise | None = None
    headroom: dict[UUID, Headroom] = field(default_factory=dict)
    judge_untrusted: bool = False
    lacks: list[str] = field(default_factory=list)
    failures: dict[UUID, list[FailedCriterion]] = field(default_factory=dict)
    traffic: dict[UUID, Traffic] = field(default_factory=dict)
    clusters: dict[UUID, tuple[Cluster, ...]] = field(default_factory=dict)
    """Those that have training cases, so that a search can work on them."""
    cards: dict[UUID, tuple[ClusterFinding, ...]] = field(default_factory=dict)
    """All clusters as they are recorded, those of traces alone too."""
    contenders: list[Contender] = field(default_factory=list)
    proposer_errors: int = 0
    finalist: Contender | None = None
    holdout: Pairs | None = None
    conclusion: Conclusion | None = None
    labelled: LabelledPairs | None = None
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    holdout_groups: tuple[str, ...] = ()
    attribution: list[dict[str, Any]] = field(default_factory=list)
    newly_failing: int = 0
    is_capped: bool = False
    is_cut_short: bool = False

    def traffic_of(self, agent: PinnedAgent) -> Traffic:
        """What was seen in an agent's traces; nothing where nobody looked."""
        return self.traffic.get(agent.agent_id, Traffic())


@dataclass
class Run:
    """One attempt at a scan."""

    database: Database
    tenant: Tenant
    settings: ResolvedSettings
    readiness: Readiness
    simulated: bool
    material: Material
    ledger: Ledger
    caller: ModelCaller
    bench: Bench
    found: Findings = field(default_factory=Findings)
    phase: Phase = Phase.OBSERVE

    @property
    def standard(self) -> Standard:
        """What answers are held to."""
        return self.material.standard

    @property
    def seed(self) -> int:
        """The seed that everything random derives from."""
        return self.settings.seed

    def model(self, purpose: Purpose) -> str:
        """The model that serves a purpose in this scan."""
        return self.settings.models[purpose]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only the newest attempt can enter; another one gets ``AttemptSuperseded``.

        It begins when every answer is stored that was given so far, and reads no more of the cases than the phase may.
        """
        await self.caller.stored()
        reading = READINGS.get(self.phase)
        async with self.database.transaction() as session:
            binding = bound_to(self.tenant.account_id, self.tenant.workspace_id)
            await claim(session, self.tenant, binding, *([confining(reading)] if reading else []))
            yield session

    def write(self, *questions: Question) -> None:
        """Write this when all is stored that was written and answered before, unless another attempt has taken the scan over.

        Nobody waits for it: what is written after it, and calls that are asked for after it, come after it all the same.
        """
        self.ledger.post(Entry(further=(claiming(self.tenant), *questions)))

    def enter(self, phase: Phase) -> None:
        """Begin a phase."""
        self.phase = phase
        entering = (_ENTER, _of(self.tenant) | {"phase": phase, "at": clock.now()})
        self.write(entering, event(self.tenant, phase, "phase_started", phase, f"Phase {phase} started."))

    def emit(self, type: str, message: str, *, subject: str = "", level: str = "info", **data: Any) -> None:
        """Add an event, once: a resumed scan that comes by here again adds nothing."""
        self.write(event(self.tenant, self.phase, type, subject, message, level=level, data=data))

    def tell_outage(self, outage: Outage, is_over: bool) -> None:
        """Say that calls wait for a provider, and that it answers again."""
        since = outage.since.isoformat(timespec="seconds")
        message = (
            f"{outage.provider} answers again; it had not since {since}."
            if is_over
            else f"{outage.provider} does not answer, and calls wait until it does. {outage.problem}"
        )
        self.emit(
            "provider_recovered" if is_over else "provider_unavailable",
            message,
            subject=f"{outage.provider}:{since}",
            level="info" if is_over else "warning",
            provider=outage.provider,
            since=since,
        )

    def save(self, name: str, document: dict[str, Any]) -> None:
        """Keep what a phase found; the same phase of a resumed scan writes the same again."""
        self.write((_SAVE, _of(self.tenant) | {"name": name, "document": orjson.dumps(document).decode()}))

    def settle_readiness(self, readiness: Readiness) -> None:
        """Say what the cases can show, now that the baseline was observed."""
        self.readiness = readiness
        self.write((_SETTLE, _of(self.tenant) | {"readiness": readiness.model_dump_json(), "at": clock.now()}))

    def baseline_trials(self, agent: PinnedAgent, cases: tuple[Case, ...]) -> list[Trial]:
        """The baseline's trials on cases that ``observe`` has run."""
        found = self.found.baseline[agent.agent_id]
        return [found[case.key] for case in cases]


def emit_dropped(run: Run, contender: Contender) -> None:
    """Say that a candidate is out, and why."""
    run.emit(
        "candidate_dropped",
        f"Candidate {contender.position} is out ({contender.fate}): {contender.fate_detail}",
        subject=f"{contender.agent.agent_id}:{contender.candidate.key}",
        candidate=contender.candidate.key,
        fate=contender.fate,
    )


def _of(tenant: Tenant) -> dict[str, Any]:
    return {"workspace_id": tenant.workspace_id, "scan_id": tenant.scan_id, "attempt": tenant.attempt}


def claiming(tenant: Tenant) -> Question:
    """The question that locks the scan's row for this transaction; it has no answer if another attempt is the newest."""
    return _CLAIM, _of(tenant)


async def claim(session: AsyncSession, tenant: Tenant, *before: Question) -> None:
    """Lock the scan's row for this transaction if the attempt is still the newest, else raise ``AttemptSuperseded``.

    What is to be asked ``before`` goes the same way.
    """
    *_, claimed = await ask(await driver_of(session), *before, claiming(tenant))
    if not claimed:
        raise AttemptSuperseded


def event(
    tenant: Tenant,
    phase: Phase | None,
    type: str,
    subject: str,
    message: str,
    *,
    level: str = "info",
    data: dict[str, Any] | None = None,
) -> Question:
    """The question that appends an event unless the scan has it already, for the newest attempt.

    The scan's row must be locked by a question before it, so that sequences have no gaps.
    """
    return _ADD, _of(tenant) | {
        "at": clock.now(),
        "phase": phase,
        "level": level,
        "type": type,
        "subject": subject,
        "message": message,
        "data": orjson.dumps(data or {}).decode(),
        "channel": CHANNEL,
        "topic": events_topic(tenant.scan_id),
    }


async def add_events(session: AsyncSession, *events: Question) -> None:
    """Append events in a transaction that has locked the scan's row."""
    await ask(await driver_of(session), *events)
