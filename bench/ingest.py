"""How many spans a second are stored durably, against psql's ``\\copy`` of the same rows: uv run python -m bench.ingest

It starts a server process with a Postgres of its own and a process that sends, and ends and deletes all of it.
"""

import re
import statistics
import subprocess
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated

import psycopg
import typer
from psycopg.sql import SQL, Identifier

from bench.load import Load, Outcome, generator, send
from bench.machine import Report
from bench.noop import answering
from bench.peers import PEERS, measure_peer
from bench.server import Server, Usage, new_key, serving
from spectral_platform.core.database import connection_string
from spectral_platform.core.embedded import join

COPIES = 3
TIMING = re.compile(r"^Time: ([\d.]+) ms", re.MULTILINE)
COLUMNS = ("", "stored/s", "acknowledged/s", "p50", "p99", "API", "Postgres", "sender", "failures", "\\copy/s", "ratio")
PEER_COLUMNS = ("", "version", "acknowledged/s", "stored/s", "stored/s, drained", "lost at kill -9", "failures", "Spectral / it")


@dataclass(frozen=True)
class Case:
    """So many clients, each sending batches of so many spans."""

    batch: int
    clients: int

    @classmethod
    def parse(cls, text: str) -> "Case":
        """A case as it is written on the command line: batch x clients."""
        batch, _, clients = text.partition("x")
        return cls(int(batch), int(clients or 16))

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.clients} clients"


FILLED = Case(100, 16)


@dataclass(frozen=True)
class Options:
    """What is measured, and for how long."""

    cases: list[Case]
    seconds: float
    fill: int
    trace_spans: int


@dataclass(frozen=True)
class Result:
    """What a case came to."""

    stored: int
    outcome: Outcome
    usage: Usage

    @property
    def stored_per_second(self) -> float:
        """Spans that the database counts more than before, by the time until the last answer."""
        return self.stored / self.outcome.seconds

    def latency_ms(self, percent: int) -> float:
        """A quantile of the answered requests."""
        seconds = self.outcome.latencies
        return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000 if len(seconds) > 1 else 0.0

    def per_thousand(self, seconds: float) -> str:
        """Processor time by what was stored."""
        return f"{1_000_000 * seconds / max(self.stored, 1):.0f} ms"


def count_spans(database: psycopg.Connection) -> int:
    """How many spans are in the database."""
    row = database.execute("SELECT count(*) FROM spans").fetchone()
    assert row is not None
    return int(row[0])


def empty(database: psycopg.Connection) -> None:
    """Take all traces out."""
    database.execute("TRUNCATE spans")
    database.execute("TRUNCATE traces, trace_labels CASCADE")
    database.execute("CHECKPOINT")


def measure(server: Server, senders: ProcessPoolExecutor, case: Case, options: Options) -> Result:
    """Send for some seconds, after a warm-up, as a new workspace."""
    url = f"{server.url}/otel/v1/traces"
    headers, _ = new_key(server.url)
    load = Load(url, headers, case.batch, case.clients, options.seconds, options.trace_spans)
    senders.submit(send, replace(load, seconds=max(options.seconds / 4, 1))).result()
    with server.connect() as database:
        database.execute("CHECKPOINT")
        before, used = count_spans(database), server.usage()
        outcome = senders.submit(send, load).result()
        used = server.usage() - used
        return Result(count_spans(database) - before, outcome, used)


def measure_copy(server: Server) -> float:
    """Rows a second of psql's ``\\copy`` in one transaction: all spans that are stored, into their own table, best of three."""
    file = server.directory / "spans.copy"
    with server.connect() as database:
        columns = ", ".join(columns_of(database, "spans"))
        count = count_spans(database)
        psql(server, f"\\copy (SELECT {columns} FROM spans) TO '{file}'")
        fastest = float("inf")
        for _ in range(COPIES):
            database.execute("TRUNCATE spans")
            database.execute("CHECKPOINT")
            fastest = min(fastest, psql(server, f"\\copy spans ({columns}) FROM '{file}'"))
            assert count_spans(database) == count
    file.unlink()
    return count / fastest


def psql(server: Server, command: str) -> float:
    """Seconds that psql says a command took."""
    arguments = ["--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command=\\timing on", f"--command={command}"]
    url = connection_string(join(server.directory))
    ran = subprocess.run([server.binary("psql"), url, *arguments], capture_output=True, text=True, check=True)
    return sum(float(took) for took in TIMING.findall(ran.stdout)) / 1000


def fill(database: psycopg.Connection, target: int) -> None:
    """Store the traces that are there again under other ids, until so many spans are stored."""
    copies = max(target // count_spans(database) - 1, 0)
    for table in ("traces", "spans"):
        names = [Identifier(name) for name in columns_of(database, table)]
        values = [SQL("md5(trace_id || copy)") if name == Identifier("trace_id") else name for name in names]
        original = Identifier(f"original_{table}")
        database.execute(SQL("CREATE TEMPORARY TABLE {} AS SELECT * FROM {}").format(original, Identifier(table)))
        statement = SQL("INSERT INTO {} ({}) SELECT {} FROM {}, (SELECT %s::text AS copy)").format(
            Identifier(table), SQL(", ").join(names), SQL(", ").join(values), original
        )
        for copy in range(copies):
            database.execute(statement, [str(copy)])
        database.execute(SQL("VACUUM (ANALYZE) {}").format(Identifier(table)))


def columns_of(database: psycopg.Connection, table: str) -> list[str]:
    """The columns of a table that can be written."""
    rows = database.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
        [table],
    )
    return [name for (name,) in rows]


def describe_tables(server: Server) -> str:
    """Which indexes, keys to other tables and triggers the tables that are written have."""
    with server.connect() as database:
        indexes = database.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename IN ('spans', 'traces') ORDER BY tablename, indexname"
        ).fetchall()
        others = database.execute(
            "SELECT conrelid::regclass || ': ' || pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'f' AND conrelid::regclass::text IN ('spans', 'traces') ORDER BY 1"
        ).fetchall()
        triggers = database.execute(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger "
            "WHERE NOT tgisinternal AND tgrelid::regclass::text IN ('spans', 'traces') ORDER BY 1"
        ).fetchall()
    return "\n".join(f"- {definition}" for (definition,) in (*indexes, *others, *triggers))


def row_of(name: str, result: Result, copied: float | None) -> tuple[str, ...]:
    """A line of the table."""
    usage, outcome = result.usage, result.outcome
    return (
        name,
        f"{result.stored_per_second:,.0f}",
        f"{outcome.spans / outcome.seconds:,.0f}",
        f"{result.latency_ms(50):.0f} ms",
        f"{result.latency_ms(99):.0f} ms",
        result.per_thousand(usage.api),
        result.per_thousand(usage.postgres),
        result.per_thousand(outcome.cpu_seconds),
        f"{outcome.failures + outcome.rejected}",
        f"{copied:,.0f}" if copied else "",
        f"{result.stored_per_second / copied:.0%}" if copied else "",
    )


def measure_all(server: Server, senders: ProcessPoolExecutor, options: Options, report: Report) -> None:
    """Each case from empty tables on; at last batches of 100 with many spans stored, if that is asked for."""
    for case in options.cases:
        with server.connect() as database:
            empty(database)
        result = measure(server, senders, case, options)
        report.add(*row_of(str(case), result, measure_copy(server)))
    if options.fill:
        with server.connect() as database:
            empty(database)
            at_first = measure(server, senders, FILLED, options)
            report.add(*row_of(f"{FILLED}, from empty", at_first, None))
            fill(database, options.fill)
            stored = count_spans(database)
        at_last = measure(server, senders, FILLED, options)
        ratio = at_last.stored_per_second / at_first.stored_per_second
        report.add(*row_of(f"{FILLED}, {stored:,} spans stored", at_last, None)[:-1], f"{ratio:.0%} of empty")


def measure_senders(senders: ProcessPoolExecutor, options: Options, report: Report) -> None:
    """What the senders reach where storing costs nothing."""
    with answering() as url:
        for case in options.cases:
            load = Load(f"{url}/v1/traces", {}, case.batch, case.clients, options.seconds, options.trace_spans)
            outcome = senders.submit(send, load).result()
            result = Result(outcome.spans, outcome, Usage(0, 0))
            report.add(*row_of(f"{case}, no server", result, None))


def measure_peers(senders: ProcessPoolExecutor, options: Options, report: Report) -> None:
    """Batches of 100 here and there, one server after the other."""
    with serving() as server:
        ours = measure(server, senders, FILLED, options)
    own = ours.stored_per_second
    acknowledged = ours.outcome.spans / ours.outcome.seconds
    report.add("Spectral", "", f"{acknowledged:,.0f}", f"{own:,.0f}", f"{own:,.0f}", "", f"{ours.outcome.failures}", "")
    load = Load("", {}, FILLED.batch, FILLED.clients, options.seconds, options.trace_spans)
    for peer in PEERS:
        theirs = measure_peer(peer, senders, load)
        rates = (theirs.acknowledged_per_second, theirs.stored_per_second, theirs.drained_per_second)
        ratio = f"{own / theirs.best:.1f}" if theirs.best else "none stored"
        counts = (theirs.lost_at_kill, theirs.failures)
        report.add(peer.name, theirs.version, *(f"{figure:,.0f}" for figure in (*rates, *counts)), ratio)


def main(
    seconds: Annotated[float, typer.Option(help="How long each case is measured, after a warm-up of a quarter of it.")] = 8,
    cases: Annotated[str, typer.Option(help="Cases, as batch x clients.")] = "1x64,10x16,100x16,512x16",
    fill: Annotated[int, typer.Option(help="Measure batches of 100 again with so many spans stored.")] = 0,
    trace_spans: Annotated[int, typer.Option(help="How many spans a trace has.")] = 8,
    peers: Annotated[bool, typer.Option("--peers", help="Measure Phoenix and MLflow instead, and Spectral beside them.")] = False,
    senders_alone: Annotated[
        bool, typer.Option("--senders-alone", help="Measure what the senders reach against a server that does nothing.")
    ] = False,
) -> None:
    """Measure and print."""
    options = Options([Case.parse(case) for case in cases.split(",")], seconds, fill, trace_spans)
    report, notes = Report(*(PEER_COLUMNS if peers else COLUMNS)), ""
    with generator() as senders:
        if peers:
            measure_peers(senders, options, report)
        elif senders_alone:
            measure_senders(senders, options, report)
        else:
            with serving() as server:
                measure_all(server, senders, options, report)
                notes = describe_tables(server)
    report.print()
    if notes:
        print(f"API, Postgres and sender: processor time by 1,000 stored spans. The tables have:\n{notes}")


if __name__ == "__main__":
    typer.run(main)
