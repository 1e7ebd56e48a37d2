"""Whether what was acknowledged survives kills of the server and of Postgres under full load: uv run python -m bench.loss

Every sender remembers the ids of the bodies that were answered with 200. After each kill and restart these spans must be in the
database, and once. What was under way is then sent again, as exporters do, and so are bodies that had been acknowledged.
"""

import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Annotated
from uuid import UUID

import httpx
import psycopg
import typer

from bench.bodies import Sent
from bench.load import VARIANTS, Load, Outcome, generator, send
from bench.machine import Report
from bench.server import Server, new_key, serving

LONGEST_S = 120.0
"""Until when senders would go on if nothing were killed."""
DATABASE_AWAY_S = 1.0
"""How long the server goes on without its database before it is started anew: it must acknowledge nothing then."""
WARM_UP_S = 1.0
SENT_TWICE = 50
KEEP = """
CREATE TABLE IF NOT EXISTS acknowledged (round integer, trace_id text COLLATE "C", span_id text COLLATE "C")
"""
MISSING = """
SELECT count(*) FROM acknowledged WHERE round BETWEEN %(first)s AND %(last)s AND NOT EXISTS (
    SELECT FROM spans WHERE spans.trace_id = acknowledged.trace_id AND spans.span_id = acknowledged.span_id
        AND (%(workspace_id)s::uuid IS NULL OR spans.workspace_id = %(workspace_id)s)
)
"""
DUPLICATES = """
SELECT coalesce(sum(count - 1), 0) FROM (
    SELECT count(*) FROM spans WHERE workspace_id = %(workspace_id)s GROUP BY trace_id, span_id HAVING count(*) > 1
) AS several
"""
MISCOUNTED = """
SELECT count(*)
FROM (SELECT trace_id, span_count FROM traces WHERE workspace_id = %(workspace_id)s) AS told
FULL JOIN (SELECT trace_id, count(*) FROM spans WHERE workspace_id = %(workspace_id)s GROUP BY trace_id) AS stored
USING (trace_id)
WHERE told.span_count IS DISTINCT FROM stored.count
"""
COLUMNS = (
    "round",
    "killed",
    "acknowledged",
    "missing",
    "sent again",
    "missing then",
    "duplicates",
    "traces miscounted",
    "back in",
)


@dataclass(frozen=True)
class Options:
    """The load before each kill."""

    seconds: float
    batch: int
    clients: int


@dataclass(frozen=True)
class Finding:
    """What a round came to: spans that are missing, before and after sending some again, and what is there too often."""

    missing: int
    missing_then: int
    duplicates: int
    miscounted: int


def count(database: psycopg.Connection, query: str, **parameters: object) -> int:
    """The number that a query answers."""
    row = database.execute(query, parameters).fetchone()
    assert row is not None
    return int(row[0])


def keep(database: psycopg.Connection, number: int, load: Load, bodies: Iterable[tuple[int, Sent]]) -> None:
    """Write down which spans a round acknowledged."""
    cycles = [load.cycle(client) for client in range(min(VARIANTS, load.clients + load.slow_clients))]
    database.execute(KEEP)
    with database.cursor().copy("COPY acknowledged FROM STDIN") as copy:
        for client, sent in bodies:
            for trace_id, span_id in cycles[client % len(cycles)].ids_of(sent):
                copy.write_row((number, trace_id, span_id))


def send_again(url: str, load: Load, bodies: Sequence[tuple[int, Sent]]) -> None:
    """Send bodies a second time, with the ids that they had."""
    headers = {"Content-Type": "application/x-protobuf"} | load.headers
    with httpx.Client(timeout=60) as client:
        for number, sent in bodies:
            body = load.cycle(number).write(sent)
            client.post(f"{url}/otel/v1/traces", content=body, headers=headers).raise_for_status()


def judge(server: Server, number: int, load: Load, outcome: Outcome, workspace_id: UUID) -> Finding:
    """Look for the spans that a round acknowledged, then send some again and look for duplicates."""
    with server.connect() as database:
        keep(database, number, load, outcome.acknowledged)
        asked = {"first": number, "last": number, "workspace_id": workspace_id}
        missing = count(database, MISSING, **asked)
        send_again(server.url, load, [*outcome.unfinished, *outcome.acknowledged[-SENT_TWICE:]])
        keep(database, number, load, outcome.unfinished)
        return Finding(
            missing,
            count(database, MISSING, **asked),
            count(database, DUPLICATES, workspace_id=workspace_id),
            count(database, MISCOUNTED, workspace_id=workspace_id),
        )


def kill_database(server: Server) -> None:
    """Kill the postmaster and all its processes at once, and the server after a while."""
    server.kill_postgres()
    time.sleep(DATABASE_AWAY_S)
    server.stop()


def cut_power(server: Server) -> None:
    """Stop Postgres without letting it write anything down, and the server after a while."""
    server.stop_postgres_immediately()
    time.sleep(DATABASE_AWAY_S)
    server.stop()


WAYS: dict[str, Callable[[Server], None]] = {
    "API, kill -9": Server.kill,
    "Postgres, kill -9": kill_database,
    "Postgres, stop -m immediate": cut_power,
}


def play(server: Server, senders: ProcessPoolExecutor, number: int, way: str, options: Options, report: Report) -> int:
    """One round: load, kill, restart, judge. Returns how many spans were acknowledged."""
    headers, workspace_id = new_key(server.url)
    url = f"{server.url}/otel/v1/traces"
    load = Load(url, headers, options.batch, options.clients, LONGEST_S, keeps_ids=True, ends_when_lost=True)
    senders.submit(send, replace(load, seconds=WARM_UP_S)).result()
    sending = senders.submit(send, load)
    time.sleep(random.uniform(0.5, 1.5) * options.seconds)
    WAYS[way](server)
    outcome = sending.result()
    stopped = time.monotonic()
    server.start()
    back = time.monotonic() - stopped
    finding = judge(server, number, load, outcome, workspace_id)
    again = len(outcome.unfinished) + min(len(outcome.acknowledged), SENT_TWICE)
    figures = (outcome.spans, finding.missing, again * load.batch, finding.missing_then, finding.duplicates, finding.miscounted)
    report.add(str(number), way, *(f"{figure:,}" for figure in figures), f"{back:.1f} s")
    print(f"round {number}: {way}, {outcome.spans:,} acknowledged, {finding}", file=sys.stderr, flush=True)
    return outcome.spans


def main(
    rounds: Annotated[int, typer.Option(help="How often something is killed.")] = 20,
    seconds: Annotated[
        float, typer.Option(help="How long the load lasts before that; in truth half to one and a half of it.")
    ] = 4,
    batch: Annotated[int, typer.Option(help="Spans in a body.")] = 100,
    clients: Annotated[int, typer.Option(help="Senders at once.")] = 32,
) -> None:
    """Kill, look, and print."""
    report, options = Report(*COLUMNS), Options(seconds, batch, clients)
    with serving() as server, generator() as senders:
        acknowledged = 0
        for number, way in enumerate(islice(cycle(WAYS), rounds), 1):
            acknowledged += play(server, senders, number, way, options, report)
        with server.connect() as database:
            missing = count(database, MISSING, first=1, last=rounds, workspace_id=None)
    report.add("all, at the end", "", f"{acknowledged:,}", f"{missing:,}", *[""] * 5)
    report.print()


if __name__ == "__main__":
    typer.run(main)
