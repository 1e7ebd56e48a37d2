"""Running a scan from the start to its verdict, or again from the start after a crash.

A scan is re-executed rather than restored: everything random derives from its seed, and every answer that was stored is served
again, so a second attempt comes by the same calls, finds them answered, and goes on where the first one stopped. Phase
documents, events and candidates have natural keys and are written once. A worker that lost its scan to another is fenced out by
the attempt's number.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from spectral_platform.agents.endpoints import open_secret_headers
from spectral_platform.agents.errors import AgentNotFound
from spectral_platform.core import clock
from spectral_platform.core.access import system_caller
from spectral_platform.core.jobs import JobContext
from spectral_platform.llm.calling import ModelCaller
from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.llm.ledger import Ledger, Tenant
from spectral_platform.llm.providers.catalogue import open_providers
from spectral_platform.llm.providers.customer_endpoint import EndpointProvider
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.queries import load_answers
from spectral_platform.scans.conversing import OutOfTime
from spectral_platform.scans.material import load_material
from spectral_platform.scans.models import Scan
from spectral_platform.scans.phases.cluster import cluster
from spectral_platform.scans.phases.detect import detect
from spectral_platform.scans.phases.diagnose import diagnose
from spectral_platform.scans.phases.evaluate import evaluate
from spectral_platform.scans.phases.generate import generate
from spectral_platform.scans.phases.observe import observe
from spectral_platform.scans.phases.safety import safety
from spectral_platform.scans.queries import list_lineage
from spectral_platform.scans.run import Run
from spectral_platform.scans.states import Phase, ScanStatus
from spectral_platform.scans.trials import Bench
from spectral_platform.workspaces.policies.prices import Prices
from spectral_platform.workspaces.policies.queries import find_policy

CANCEL_POLL_S = 0.3
BEFORE_THE_VERDICT: tuple[tuple[Phase, Callable[[Run], Awaitable[None]]], ...] = (
    (Phase.OBSERVE, observe),
    (Phase.DETECT, detect),
    (Phase.CLUSTER, cluster),
    (Phase.GENERATE, generate),
    (Phase.EVALUATE, evaluate),
    (Phase.DIAGNOSE, diagnose),
)
_STANDING = """
    SELECT status, (
        SELECT agents.id FROM scan_agents JOIN agents ON agents.id = scan_agents.agent_id
        WHERE scan_agents.scan_id = scans.id AND agents.deleted_at IS NOT NULL LIMIT 1
    ) FROM scans WHERE id = %(scan_id)s AND workspace_id = %(workspace_id)s
"""
SEARCHING = {Phase.GENERATE, Phase.EVALUATE}


class ScanCancelled(Exception):
    """Somebody cancelled the scan while it ran."""


async def execute(context: JobContext, tenant: Tenant) -> None:
    """Run every phase. Raises ``ScanCancelled``, ``AttemptSuperseded``, or whatever a phase could not handle."""
    caller = system_caller(tenant.account_id, tenant.workspace_id)
    async with context.database.transaction(account_id=tenant.account_id, workspace_id=tenant.workspace_id) as session:
        scan = await session.get_one(Scan, tenant.scan_id)
        material = await load_material(session, caller, scan)
        headers = await open_secret_headers(session, tenant.workspace_id, context.settings.seal, material.configs.values())
        lineage = await list_lineage(session, scan)
        known = await load_answers(session, tenant.workspace_id, lineage, sealed=False)
        prices = await find_policy(session, tenant.workspace_id, Prices)
    ledger = Ledger(context.database, tenant)
    started = scan.started_at or clock.now()
    elapsed = (clock.now() - started).total_seconds()
    async with (
        EndpointProvider(
            context.settings.outbound,
            scan_id=tenant.scan_id,
            headers=headers,
            timeout_s=context.settings.model_call_timeout_s,
        ) as endpoints,
        open_providers(context.settings, endpoints, workspace_id=tenant.workspace_id) as providers,
        ledger.connected(),
    ):
        deadline = time.monotonic() + scan.settings.budget.max_duration_s - elapsed
        asker = ModelCaller(
            providers,
            ledger,
            known=known,
            concurrency=context.settings.model_concurrency,
            deadline=deadline,
            prices=prices,
        )
        bench = Bench(
            asker,
            material.standard,
            judge_model=scan.settings.models.get(Purpose.SCORING),
            embedding_model=scan.settings.models.get(Purpose.EMBEDDING),
            seed=scan.settings.seed,
            deadline=deadline,
            replay=material.replay,
        )
        run = Run(
            database=context.database,
            tenant=tenant,
            settings=scan.settings,
            readiness=scan.readiness,
            simulated=scan.simulated,
            material=material,
            ledger=ledger,
            caller=asker,
            bench=bench,
        )
        asker.on_outage = run.tell_outage
        try:
            await _until_cancelled(run, _walk(run))
        finally:
            asker.on_outage = None  # or caller and run would hold each other, and all trials, until a collection


async def _walk(run: Run) -> None:
    for phase, work in BEFORE_THE_VERDICT:
        run.enter(phase)
        if phase in SEARCHING and run.found.is_capped and not run.settings.explore:
            run.emit(
                "phase_skipped",
                f"Phase {phase} is skipped, because its result could not count: {' '.join(run.found.lacks)}",
                subject=phase,
                level="warning",
            )
            continue
        try:
            await work(run)
        except (BudgetExhausted, OutOfTime) as limit:
            reason = "time" if isinstance(limit, OutOfTime) else "budget"
            run.found.lacks.append(f"The {reason} was spent while observing the baseline.")
            run.found.lacks += [f"{outage.provider} did not answer. {outage.problem}" for outage in run.caller.outages]
            break
    run.enter(Phase.SAFETY)
    await safety(run)


async def _until_cancelled(run: Run, work: Awaitable[None]) -> None:
    """Await the work; abandon it at once when the scan is cancelled, and leave what is in flight to be charged.

    So it does, with ``AgentNotFound``, when an agent is deleted: nobody could take what the scan would find.
    """
    walking = asyncio.ensure_future(work)
    watching = asyncio.create_task(_wait_for_cancellation(run))
    try:
        await asyncio.wait({walking, watching}, return_when=asyncio.FIRST_COMPLETED)
        if walking.done():
            return walking.result()
        watching.result()
        raise ScanCancelled
    finally:
        for task in (walking, watching):
            task.cancel()
        await asyncio.gather(walking, watching, return_exceptions=True)
        await run.ledger.stored()  # no scan ends without what it told: no other attempt would tell it


async def _wait_for_cancellation(run: Run) -> None:
    tenant = run.tenant
    asked = {"scan_id": tenant.scan_id, "workspace_id": tenant.workspace_id}
    while True:
        (rows,) = await run.database.ask((_STANDING, asked), account_id=tenant.account_id, workspace_id=tenant.workspace_id)
        for status, deleted_agent in rows:
            if status == ScanStatus.CANCELLING:
                return
            if deleted_agent is not None:
                raise AgentNotFound(deleted_agent)
        await asyncio.sleep(CANCEL_POLL_S)
