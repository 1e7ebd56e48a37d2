"""How long reads of traces take, and how much longer over a hundred times as many: uv run python -m bench.reads

For each number of traces it starts a server with a Postgres of its own, has that fill the tables, asks over one connection that
is kept, one request after the other, and ends and deletes all of it.
"""

import gc
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import typer

from bench.history import AGENTS, COMMON_WORD, LARGE, LARGE_SPANS, RARE_WORD, History
from bench.machine import Report
from bench.server import Server, serving

WARM_UP = 5
PARTS = ("p50", "p99", "API", "Postgres")
Requests = dict[str, tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Reader:
    """A person who reads a workspace over one connection."""

    client: httpx.Client
    workspace_id: UUID

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """What is answered."""
        answer: dict[str, Any] = self.client.get(path, params=query).raise_for_status().json()
        return answer

    def seconds(self, path: str, query: dict[str, Any], repetitions: int) -> list[float]:
        """How long each of some requests takes, from the first byte that is sent to the last that arrives."""
        taken = []
        for _ in range(WARM_UP + repetitions):
            started = time.perf_counter()
            self.client.get(path, params=query).raise_for_status()
            taken.append(time.perf_counter() - started)
        return taken[WARM_UP:]


def new_reader(server: Server) -> Reader:
    """Somebody with a workspace of their own, and agents in it."""
    client = httpx.Client(base_url=f"{server.url}/api/v1", timeout=120)
    person = {"email": f"{uuid4()}@example.com", "password": "correct horse battery", "tenant_name": "Bench"}
    registered = client.post("/auth/register", json=person).raise_for_status().json()
    client.headers["Authorization"] = f"Bearer {registered['access_token']}"
    client.base_url = httpx.URL(f"{server.url}/api/v1/workspaces/{registered['workspace_id']}")
    for number in range(AGENTS):
        client.post("/agents", json={"name": f"agent {number}"}).raise_for_status()
    return Reader(client, UUID(registered["workspace_id"]))


def requests_to(reader: Reader) -> Requests:
    """What is asked, by what it is called in the table."""
    newest = reader.get("/traces", limit=200)
    trace = newest["results"][100]
    agents = {each["name"]: each["id"] for each in reader.get("/agents", limit=200)["results"]}
    busy, quiet = agents["agent 0"], agents[f"agent {AGENTS - 1}"]
    now = datetime.now(UTC)

    def ago(**time: float) -> str:
        return (now - timedelta(**time)).isoformat()

    lists: dict[str, dict[str, Any]] = {
        "list": {},
        "list, 200 on a page": {"limit": 200},
        "next page": {"cursor": newest["pagination"]["next_cursor"]},
        "offset 10000": {"offset": 9_900},
        "busy agent": {"agent_id": busy},
        "quiet agent": {"agent_id": quiet},
        "agent nobody has": {"agent_id": str(uuid4())},
        "failed": {"status": "error"},
        "not failed": {"status": "ok"},
        "common model": {"model": "gpt-4o-mini"},
        "rare model": {"model": "rare-model"},
        "model nobody called": {"model": "none"},
        "session": {"session_id": trace["session_id"]},
        "user": {"user_id": trace["user_id"]},
        "workflow": {"workflow": "shop"},
        "common tag": {"tag": "prod"},
        "rare tag": {"tag": "rare"},
        "tag nobody has": {"tag": "none"},
        "since yesterday": {"since": ago(days=1)},
        "an old hour": {"since": ago(days=20, hours=1), "until": ago(days=20)},
        "slower than 500 ms": {"min_duration_ms": 500},
        "slower than 4 s": {"min_duration_ms": 4_000},
        "slower than any": {"min_duration_ms": 100_000},
        "dearer than 1 cent": {"min_cost_usd": "0.01"},
        "dearer than any": {"min_cost_usd": "5"},
        "with feedback": {"has_feedback": "true"},
        "without feedback": {"has_feedback": "false"},
        "busy agent, failed": {"agent_id": busy, "status": "error"},
        "quiet agent, rare tag": {"agent_id": quiet, "tag": "rare"},
        "model, tag, failed": {"model": "gpt-4o", "tag": "beta", "status": "error"},
        "failed, slower than 3 s, since": {"status": "error", "min_duration_ms": 3_000, "since": ago(days=7)},
        "user, failed": {"user_id": trace["user_id"], "status": "error"},
        "slowest": {"sort": "-duration_ms"},
        "dearest": {"sort": "-cost_usd"},
        "most tokens": {"sort": "-total_tokens"},
        "oldest": {"sort": "started_at"},
        "dearest, failed": {"sort": "-cost_usd", "status": "error"},
        "slowest, rare tag": {"sort": "-duration_ms", "tag": "rare"},
        "search, a word of all": {"search": COMMON_WORD},
        "search, a word of few": {"search": RARE_WORD},
        "search, a word of nobody": {"search": "nobody says this"},
        "search, two words": {"search": "w100 w200"},
        "search, a word of some": {"search": "w3000"},
        "search, a phrase": {"search": '"w10 w11"'},
        "search, a phrase of few": {"search": '"w100 w200"'},
        "search, a phrase of hardly any": {"search": '"w10 w11 w12"'},
        "search, an id": {"search": trace["id"]},
        "search, a word of few, failed": {"search": RARE_WORD, "status": "error"},
        "search, a word of all, a user": {"search": COMMON_WORD, "user_id": trace["user_id"]},
    }
    return {name: ("/traces", query) for name, query in lists.items()} | {
        "trace": (f"/traces/{trace['id']}", {}),
        f"trace of {LARGE_SPANS} spans": (f"/traces/{LARGE}", {}),
        "its last spans": (f"/traces/{LARGE}", {"spans_offset": LARGE_SPANS - 1_000}),
        "sessions": ("/traces/sessions", {}),
        "sessions of a busy agent": ("/traces/sessions", {"agent_id": busy}),
        "sessions of a user": ("/traces/sessions", {"user_id": trace["user_id"]}),
        "sessions of an old hour": ("/traces/sessions", {"since": ago(days=20, hours=1), "until": ago(days=20)}),
        "sessions of an old day": ("/traces/sessions", {"since": ago(days=21), "until": ago(days=20)}),
        "one session": (f"/traces/sessions/{trace['session_id']}", {}),
    }


@dataclass(frozen=True)
class Times:
    """The milliseconds of a request: the median, the 99th percentile, and the processor's, which no neighbour makes longer."""

    middle: float
    late: float
    api: float
    postgres: float


def measure(server: Server, reader: Reader, repetitions: int) -> Iterator[tuple[str, Times]]:
    """What every request takes."""
    gc.disable()
    for name, (path, query) in requests_to(reader).items():
        before = server.usage()
        taken = statistics.quantiles(reader.seconds(path, query, repetitions), n=100, method="inclusive")
        used, asked = server.usage() - before, WARM_UP + repetitions
        yield name, Times(taken[49] * 1000, taken[98] * 1000, used.api / asked * 1000, used.postgres / asked * 1000)


def measured_over(traces: int, repetitions: int) -> dict[str, Times]:
    """The same over so many traces."""
    with serving() as server:
        reader = new_reader(server)
        with server.connect() as connection:
            History(reader.workspace_id, traces).make(connection)
        with closing(reader.client):
            return dict(measure(server, reader, repetitions))


def main(
    traces: Annotated[list[int], typer.Option(help="How many traces; the growth is from the first to the last.")] = [  # noqa: B006
        10_000,
        1_000_000,
    ],
    repetitions: Annotated[int, typer.Option(help="How often each request is sent.")] = 100,
) -> None:
    """Print how long reads take."""
    report = Report("", *(f"{number} traces: {part}" for number in traces for part in PARTS), "growth of p50")
    measured = [measured_over(number, repetitions) for number in traces]
    for name in measured[0]:
        times = [f"{time:.1f} ms" for each in measured for time in astuple(each[name])]
        report.add(name, *times, f"{measured[-1][name].middle / measured[0][name].middle:.2f}")
    report.print()


if __name__ == "__main__":
    typer.run(main)
