"""What the server does with more than it can take: memory, refusals, and what is stored: uv run python -m bench.overload

Four kinds of senders at once, for minutes: many with ordinary batches, some with bodies of about ten megabytes, as many with such
bodies compressed, and some that take ten seconds to send a body. Who is refused sends the same body again when told to.
"""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Annotated

import psutil
import typer

from bench.load import Load, Outcome, generator, send
from bench.loss import MISSING, count, keep
from bench.machine import Report
from bench.server import Server, new_key, serving
from spectral_api.otel.receiving import BODIES_AT_ONCE
from spectral_platform.core.settings import Settings

MEGABYTE = 1_000_000
LARGE_BATCH = 10_000
"""Spans of about one kilobyte."""
PARTS = 10
KINDS = ("batches of 512", f"batches of {LARGE_BATCH:,}", f"batches of {LARGE_BATCH:,}, gzip", "slow senders")


def loads_of(url: str, headers: dict[str, str], *, seconds: float, clients: int, large: int, slow: int) -> list[Load]:
    """The kinds of senders."""
    return [
        Load(url, headers, 512, clients, seconds, keeps_ids=True),
        Load(url, headers, LARGE_BATCH, large, seconds, keeps_ids=True),
        Load(url, headers, LARGE_BATCH, large, seconds, compresses=True, keeps_ids=True),
        Load(url, headers, 512, 0, seconds, slow_clients=slow, keeps_ids=True),
    ]


def watch(process: psutil.Process, sending: Sequence[Future[Outcome]]) -> list[float]:
    """The resident memory of a process in megabytes, each second until all is sent."""
    seen: list[float] = []
    while not all(future.done() for future in sending):
        seen.append(process.memory_info().rss / MEGABYTE)
        time.sleep(1)
    return seen


def missing_of(server: Server, loads: Sequence[Load], outcomes: Sequence[Outcome]) -> int:
    """How many spans were acknowledged and are not in the database."""
    with server.connect() as database:
        for number, (load, outcome) in enumerate(zip(loads, outcomes, strict=True)):
            keep(database, number, load, outcome.acknowledged)
        return count(database, MISSING, first=0, last=len(loads), workspace_id=None)


def tell_answers(report: Report, outcomes: Sequence[Outcome]) -> None:
    """Lines on what each kind of sender was answered."""
    for name, outcome in zip(KINDS, outcomes, strict=True):
        statuses: Counter[int] = outcome.statuses
        others = {status: number for status, number in statuses.items() if status not in {200, 503}}
        report.add(
            name,
            f"{outcome.requests:,} stored; {statuses[503]:,} refused with 503, {outcome.retry_after:,} of them with Retry-After; "
            f"{outcome.connections_lost} connections lost, {outcome.unanswered} unanswered, others: {others or 'none'}",
        )


def overload(server: Server, senders: ProcessPoolExecutor, loads: Sequence[Load], report: Report) -> None:
    """Send everything at once, watch, and look for what was acknowledged."""
    senders.submit(send, Load(loads[0].url, loads[0].headers, 100, 4, 2)).result()
    time.sleep(1)
    at_rest = server.api.memory_info().rss / MEGABYTE
    used = server.usage()
    sending = [senders.submit(send, load) for load in loads]
    seen = watch(server.api, sending)
    outcomes = [future.result() for future in sending]
    used = server.usage() - used
    seconds = max(outcome.seconds for outcome in outcomes)
    report.add("resident at rest, after a warm-up", f"{at_rest:.0f} MB")
    length = max(len(seen) // PARTS, 1)
    highest = [max(seen[start : start + length]) for start in range(0, len(seen), length)]
    report.add(f"highest in each tenth of {seconds:.0f} s", ", ".join(f"{each:.0f}" for each in highest) + " MB")
    report.add("median, highest", f"{statistics.median(seen):.0f} MB, {max(seen):.0f} MB")
    most = BODIES_AT_ONCE * Settings.model_fields["max_body_bytes"].default / MEGABYTE
    growth = max(seen) - at_rest
    report.add("bodies held at most", f"{most:.0f} MB; memory grew by {growth:.0f} MB, {growth / most:.1f} times that")
    tell_answers(report, outcomes)
    acknowledged = sum(outcome.spans for outcome in outcomes)
    report.add("acknowledged", f"{acknowledged:,} spans, {acknowledged / seconds:,.0f} a second")
    report.add("acknowledged and missing", f"{missing_of(server, loads, outcomes):,}")
    report.add("processors", f"API {used.api / seconds:.2f}, Postgres {used.postgres / seconds:.2f} of one")


def main(
    minutes: Annotated[float, typer.Option(help="How long.")] = 10,
    clients: Annotated[int, typer.Option(help="Senders of ordinary batches.")] = 64,
    large: Annotated[int, typer.Option(help="Senders of ten megabytes at a time, and as many that compress them.")] = 8,
    slow: Annotated[int, typer.Option(help="Senders that take ten seconds for a body.")] = 16,
) -> None:
    """Overload, and print."""
    report = Report("", "")
    with serving() as server, generator(processes=len(KINDS)) as senders:
        headers, _ = new_key(server.url)
        url = f"{server.url}/otel/v1/traces"
        loads = loads_of(url, headers, seconds=60 * minutes, clients=clients, large=large, slow=slow)
        overload(server, senders, loads, report)
    report.print()


if __name__ == "__main__":
    typer.run(main)
