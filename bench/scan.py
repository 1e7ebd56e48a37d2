"""What a scan costs beside the models that it asks, and how it fills endpoints and workers: uv run python -m bench.scan

Every case starts worker processes as operators do, over a Postgres of the measurement's own, in workspaces that are made through
the commands that the API calls. Times are those that the scans' own rows tell, so that the start of a process is in none of them;
what a process compiles and loads when it first scans is in that scan's.
"""

import asyncio
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import psutil
import psycopg
import typer
from psycopg.rows import dict_row

from bench.endpoint import answering
from bench.evaluating import REPEATS, evaluated_in_memory
from bench.machine import Report
from bench.server import scratch_directory, serving
from spectral_platform.accounts.commands import create_account
from spectral_platform.agents.commands import create_agent
from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.core import schema
from spectral_platform.core.access import Caller
from spectral_platform.core.children import end_with_parent
from spectral_platform.core.database import Database, bind_tenant, connection_string
from spectral_platform.core.embedded import EmbeddedPostgres
from spectral_platform.core.settings import Settings
from spectral_platform.demo import content
from spectral_platform.demo.commands import MODELS
from spectral_platform.demo.sample_builder import build_samples
from spectral_platform.evaluations.objectives.commands import create_objective
from spectral_platform.evaluations.rubrics.commands import create_rubric
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.purposes import Purpose
from spectral_platform.samples.commands import add_samples, create_sample_set, publish_sample_set
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.parsing import AcceptedLine
from spectral_platform.scans.commands import create_scan
from spectral_platform.scans.settings import Budget, ScanSettings, SearchStrategy
from spectral_platform.workspaces.commands import create_workspace
from spectral_platform.worlds.commands import install_split_key

POLL_S = 0.1
DEMO_EMAIL, DEMO_PASSWORD = "demo@example.com", "correct horse battery"
PATIENCE_S = 600
LATENCY_S = 0.5
IN_FLIGHT = 64
SLOW_S = 0.3
QUEUE = 8
FURTHER = 3
"""Scans by the worker that has run one: what it compiles and loads once is in the first."""
MANY_SAMPLES_PER_ARTICLE = 17
MANY_SAMPLES = 500
BUDGET = Budget(max_usd=Decimal(1000), max_model_calls=100_000, max_duration_s=PATIENCE_S)


@dataclass(frozen=True)
class Place:
    """A server's database, and the settings that its workers get."""

    url: str
    settings: Settings

    def environment(self) -> dict[str, str]:
        """What a worker of this place is started with."""
        return self.settings.environment_of_child(database_url=self.url)


@dataclass(frozen=True)
class Ran:
    """What became of the scans of a case."""

    seconds: float
    outcomes: tuple[str, ...]
    calls: int
    evaluations: int
    worker_cpu_s: float
    postgres_cpu_s: float
    largest_mib: float


@contextmanager
def place(**settings: Any) -> Iterator[Place]:
    """A fresh database with the schema in it."""
    with scratch_directory() as directory, EmbeddedPostgres(directory) as server:
        schema.upgrade(server.url)
        home = directory / "home"
        home.mkdir()
        yield Place(server.url, Settings(data_dir=home, workers=0, log_level="error", **settings))


async def make_workspace(
    database: Database, server: Settings, number: int, samples: Sequence[SampleContent], *, endpoint: bool = False
) -> Caller:
    """A workspace like the demo's, with these samples; with ``endpoint`` its models are those of the configured endpoint."""
    async with database.transaction() as session:
        owner = await create_account(session, name="Bench", email=f"bench-{number}@example.com", password_hash=None)
        workspace = await create_workspace(session, owner, name="Bench")
        await bind_tenant(session, account_id=owner.account_id, workspace_id=workspace.id)
        caller = owner.model_copy(update={"workspace_id": workspace.id})
        purposes = {purpose: served(model, endpoint) for purpose, model in MODELS.items()}
        await choose_models(session, workspace_id=workspace.id, purposes=purposes)
        config = content.agent_config()
        hyperparameters = config.hyperparameters.model_copy(update={"model": purposes[Purpose.AGENT_TURN]})
        config = AgentConfig.model_validate(config.model_dump() | {"hyperparameters": hyperparameters.model_dump()})
        await create_agent(session, caller, server, name=content.AGENT_NAME, config=config)
        await install_split_key(session, workspace.id, content.SPLIT_KEY)
        sample_set = await create_sample_set(session, caller, name=content.SAMPLE_SET_NAME, description=None)
        lines = [AcceptedLine(line=line, content=sample) for line, sample in enumerate(samples, 1)]
        await add_samples(session, caller, sample_set.id, lines=lines)
        await publish_sample_set(session, caller, sample_set.id)
        rubric = await create_rubric(session, caller, name=content.RUBRIC_NAME, dimensions=content.rubric_dimensions())
        await create_objective(
            session,
            caller,
            name=content.OBJECTIVE_NAME,
            rubric_id=rubric.rubric_id,
            terms=content.objective_terms(),
            is_default=True,
        )
    return caller


def served(model: str, endpoint: bool) -> str:
    """What a simulated model is called where the endpoint plays it."""
    return model.removeprefix("sim/") if endpoint else model


async def order(database: Database, server: Settings, caller: Caller, *, candidates: int) -> UUID:
    """Schedule a scan."""
    request = ScanSettings(seed=1, max_candidates=candidates, strategies=(SearchStrategy.REFLECTIVE,), budget=BUDGET)
    async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
        return (await create_scan(session, caller, server, request=request)).scan.id


async def make(place: Place, count: int, samples: Sequence[SampleContent], *, endpoint: bool = False) -> list[Caller]:
    """Workspaces, each with what a scan needs."""
    database = Database(place.url)
    try:
        return [await make_workspace(database, place.settings, number, samples, endpoint=endpoint) for number in range(count)]
    finally:
        await database.close()


async def order_each(place: Place, callers: Sequence[Caller], *, candidates: int) -> None:
    """Schedule a scan in each workspace."""
    database = Database(place.url)
    try:
        for caller in callers:
            await order(database, place.settings, caller, candidates=candidates)
    finally:
        await database.close()


@contextmanager
def working(place: Place, workers: int) -> Iterator[list[psutil.Process]]:
    """Worker processes over the place's queue."""
    with ExitStack() as running:
        processes = []
        for _ in range(workers):
            process = subprocess.Popen(
                [sys.executable, "-m", "spectral_platform.worker"],
                env=place.environment(),
                preexec_fn=end_with_parent(signal.SIGTERM),
            )
            running.callback(process.wait)
            running.callback(process.terminate)
            processes.append(psutil.Process(process.pid))
        yield processes


def run(place: Place, workers: int, *turns: Sequence[Caller], candidates: int) -> list[Ran]:
    """Scan the workspaces of every turn, each when all of the turn before have ended, by the same workers."""
    asyncio.run(order_each(place, turns[0], candidates=candidates))
    with working(place, workers) as processes:
        ran = [wait(place, processes)]
        for callers in turns[1:]:
            asyncio.run(order_each(place, callers, candidates=candidates))
            ran.append(wait(place, processes, before=ran))
    return ran


def wait(place: Place, processes: Sequence[psutil.Process], *, before: Sequence[Ran] = ()) -> Ran:
    """Wait until every scan has ended, and sum up those that had not ``before``."""
    with psycopg.connect(connection_string(place.url), autocommit=True, row_factory=dict_row) as connection:
        postgres = postgres_cpu()
        largest = 0.0
        for _ in itertools.count():
            scans = connection.execute(
                "SELECT status, verdict, started_at, finished_at FROM scans ORDER BY created_at"
            ).fetchall()
            largest = max(largest, *(process.memory_info().rss / 2**20 for process in processes))
            if all(scan["finished_at"] for scan in scans):
                break
            time.sleep(POLL_S)
        cpu = sum(sum(process.cpu_times()[:2]) for process in processes)
        postgres = postgres_cpu() - postgres
        counted = connection.execute(
            "SELECT count(*) AS calls, count(*) FILTER (WHERE purpose = 'agent_turn') AS evaluations FROM model_calls"
        ).fetchone()
    assert counted is not None
    scans = scans[sum(len(ran.outcomes) for ran in before) :]
    begun: list[datetime] = [scan["started_at"] for scan in scans]
    ended: list[datetime] = [scan["finished_at"] for scan in scans]
    return Ran(
        seconds=(max(ended) - min(begun)).total_seconds(),
        outcomes=tuple(scan["verdict"]["outcome"] if scan["verdict"] else scan["status"] for scan in scans),
        calls=counted["calls"] - sum(ran.calls for ran in before),
        evaluations=counted["evaluations"] - sum(ran.evaluations for ran in before),
        worker_cpu_s=cpu - sum(ran.worker_cpu_s for ran in before),
        postgres_cpu_s=postgres,
        largest_mib=largest,
    )


def postgres_cpu() -> float:
    """Seconds of processor that this process' Postgres has used."""
    total = 0.0
    for child in psutil.Process().children():
        if child.name() == "postgres":
            own = child.cpu_times()
            total += own.user + own.system + own.children_user + own.children_system
            total += sum(sum(each.cpu_times()[:2]) for each in child.children(recursive=True))
    return total


def rate_of_baseline(place: Place) -> float:
    """Calls answered a second while the baseline ran on all cases, the widest stretch of a scan."""
    with psycopg.connect(connection_string(place.url), autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*), extract(epoch FROM max(created_at) - min(created_at)) FROM model_calls"
            " WHERE phase = 'observe' AND candidate = 'baseline' AND repeat = 0"
        ).fetchone()
    assert row is not None
    return float(row[0]) / (float(row[1]) + LATENCY_S)


def many_samples() -> list[SampleContent]:
    """Samples like the demo's, as many as the largest case asks for."""
    lines = build_samples(MANY_SAMPLES_PER_ARTICLE).splitlines()[:MANY_SAMPLES]
    return [SampleContent.model_validate_json(line) for line in lines]


def overhead(report: Report) -> None:
    """The demo's scan on the simulator: nobody waits for a model."""
    with place() as made:
        callers = asyncio.run(make(made, 1 + FURTHER, content.load_samples()))
        first, *further = run(made, 1, *([caller] for caller in callers), candidates=8)
    report.add("demo scan, simulator: a worker's first", described(first), each_of(first))
    for ran in further:
        report.add("the same again, by the same worker", described(ran), each_of(ran))


def first_scan(report: Report) -> None:
    """From no server at all to the demo's verdict, as a person gets there: the start of all and the making of the demo too."""
    begun = time.monotonic()
    with serving("--demo", "--workers", "1", SPECTRAL_DEMO_EMAIL=DEMO_EMAIL, SPECTRAL_DEMO_PASSWORD=DEMO_PASSWORD) as server:
        started = time.monotonic()
        person = ["--url", server.url, "--email", DEMO_EMAIL, "--password", DEMO_PASSWORD]
        command = [sys.executable, "-m", "spectral_api.cli", "scan", "--watch", "--json", *person]
        scan = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        ended = time.monotonic()
    what = f"{started - begun:.1f} s until the server listens, {ended - started:.1f} s until its scan is told"
    report.add("demo scan from nothing", f"{ended - begun:.1f} s; {scan['verdict']['outcome']}", what)


def evaluation(report: Report) -> None:
    """Evaluating alone, in memory."""
    least = evaluated_in_memory()
    each = (f"{1000 * part / least.evaluations:.2f} ms" for part in (least.simulated_s, least.cpu_s - least.simulated_s))
    took = f"{least.evaluations} evaluations, {least.calls} calls, processor {least.cpu_s:.2f} s"
    what = "{} an evaluation in the simulator, {} in the engine".format(*each)
    report.add(f"evaluating in memory, least of {REPEATS}", took, what)


def many(report: Report) -> None:
    """Many samples and candidates on the simulator."""
    with place() as made:
        callers = asyncio.run(make(made, 1, many_samples()))
        (ran,) = run(made, 1, callers, candidates=12)
    report.add(
        f"{MANY_SAMPLES} samples, 12 candidates, simulator", described(ran), f"{each_of(ran)}; at most {ran.largest_mib:.0f} MiB"
    )


def each_of(ran: Ran) -> str:
    """What an evaluation took of a scan on the simulator, with the simulator's own time and without.

    Its time is that of the same number of calls in memory, where they are repeated and it takes less of each.
    """
    least = evaluated_in_memory()
    simulated_s = least.simulated_s / least.calls * ran.calls
    with_it, beside_it = (1000 * seconds / ran.evaluations for seconds in (ran.seconds, ran.seconds - simulated_s))
    return f"{with_it:.1f} ms an evaluation, {beside_it:.1f} beside the simulator's own"


def in_flight(report: Report) -> None:
    """An endpoint of fixed latency, asked as often at once as the operator allows."""
    with answering(LATENCY_S) as url, place(openai_base_url=url, openai_model="judge", model_concurrency=IN_FLIGHT) as made:
        callers = asyncio.run(make(made, 1, many_samples(), endpoint=True))
        (ran,) = run(made, 1, callers, candidates=1)
        rate = rate_of_baseline(made)
    ideal = IN_FLIGHT / LATENCY_S
    what = f"baseline: {rate:.0f} calls/s of {ideal:.0f} ({rate / ideal:.0%}); whole scan {ran.calls / ran.seconds:.0f} calls/s"
    report.add(f"{IN_FLIGHT} in flight, {LATENCY_S * 1000:.0f} ms each", described(ran), what)


def workers(report: Report) -> None:
    """A queue of scans on an endpoint, by one worker and by two."""
    seconds = []
    for count in (1, 2):
        with answering(SLOW_S) as url, place(openai_base_url=url, openai_model="judge", model_concurrency=4) as made:
            callers = asyncio.run(make(made, QUEUE, content.load_samples()[:40], endpoint=True))
            (ran,) = run(made, count, callers, candidates=1)
        seconds.append(ran.seconds)
        report.add(f"{QUEUE} scans, {count} workers", described(ran), f"{seconds[0] / ran.seconds:.2f} x one worker")


def described(ran: Ran) -> str:
    """What a case came to, in a line."""
    outcomes = ", ".join(sorted(set(ran.outcomes)))
    return (
        f"{ran.seconds:.1f} s, {ran.evaluations} evaluations, {ran.calls} calls, processor {ran.worker_cpu_s:.1f} s"
        f" and {ran.postgres_cpu_s:.1f} s in Postgres; {outcomes}"
    )


CASES = {
    "overhead": overhead,
    "first-scan": first_scan,
    "evaluation": evaluation,
    "in-flight": in_flight,
    "workers": workers,
    "many": many,
}


def main(only: Annotated[list[str] | None, typer.Option(help=f"Cases to measure: {', '.join(CASES)}.")] = None) -> None:
    """Measure every case, or only those that are named."""
    report = Report("", "took", "which is")
    for name, case in CASES.items():
        if only is None or name in only:
            case(report)
    report.print()


if __name__ == "__main__":
    typer.run(main)
