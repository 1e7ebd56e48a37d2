"""Nothing that anybody can read tells which samples are holdout, or repeats a word run that only the holdout has.

After a real scan every GET route of the OpenAPI document is called with everything that there is to name in its path, in every
form that it answers, and so are the proposer's requests and the logs. Only the plain routes of samples and traces, which know
nothing of the split, may show what lies in the holdout. A new route is either reached or named here with the reason.
"""

import html
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pyarrow import parquet
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.llm.messages import ModelAnswer, ModelRequest
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.worlds.readings import Reading, confine
from tests.contract.documents import DOCUMENT, Json
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import Scannable, make_scannable

RUN = 8
WORD = re.compile(r"\w+")
PARAMETER = re.compile(r"{(\w+)}")
WORKSPACE = "/api/v1/workspaces/{workspace_id}"
EVENTS = f"{WORKSPACE}/scans/{{scan_id}}/events"
ARTIFACT = re.compile(r"/signed/artifacts/([^/?\"\s]+)")
MOST_VALUES = 4
PLAIN = (f"{WORKSPACE}/samples/", f"{WORKSPACE}/traces", "/otel/")
"""Routes that show samples and traces as they came in."""
PLAIN_TABLES = {"samples", "published_samples", "spans", "traces", "trace_texts", "feedback"}
"""The same in an account's export; what knows the split travels sealed in it."""
BEYOND_REACH = {
    "/api/v1/auth/oauth/{provider}": "a way out of the server, to a provider that is not configured",
    "/api/v1/signed/feedback/{token}": "one trace, for whoever holds its link",
    "/api/v1/account/invites/{invite_id}": "of people",
    f"{WORKSPACE}/webhooks/deliveries/{{delivery_id}}": "its list shows the same",
}
READING_POSTS = {
    "quote_scan": {},
    "generate_rubric": {"agent_id": "agent_id"},
    "infer_template": {},
}
"""POST routes that tell something and change nothing, and what of the workspace their bodies name."""


@dataclass(frozen=True)
class Holdout:
    """What must not be told: ids of holdout cases, and word runs that are in the holdout alone."""

    ids: frozenset[str]
    runs: frozenset[tuple[str, ...]]

    def leaks(self, texts: Sequence[str]) -> set[str]:
        """What of it is in the texts."""
        whole = "\n".join(texts)
        found = {identity for identity in self.ids if identity in whole}
        return found | {" ".join(run) for each in texts for run in runs_of(each) & self.runs}


def runs_of(words: str) -> set[tuple[str, ...]]:
    """Every run of eight words."""
    found = WORD.findall(words.lower())
    return {tuple(found[start : start + RUN]) for start in range(len(found) - RUN + 1)}


def strings_of(document: Any) -> Iterator[str]:
    """Every text in a document, names of members too."""
    match document:
        case str():
            yield document
        case dict():
            for name, part in document.items():
                yield name
                yield from strings_of(part)
        case list():
            for part in document:
                yield from strings_of(part)


def texts_of(answer: httpx.Response) -> list[str]:
    """What an answer says: body and headers."""
    kind = answer.headers.get("content-type", "")
    said = list(answer.headers.values())
    if "parquet" in kind:
        return said + list(strings_of(parquet.read_table(BytesIO(answer.content)).to_pylist()))
    if "ndjson" in kind:
        return said + [part for line in answer.text.splitlines() for part in strings_of(json.loads(line))]
    if "json" in kind:
        return said + list(strings_of(answer.json()))
    return [*said, html.unescape(answer.text)]


@dataclass
class Crawl:
    """Every GET route that applies, called with whatever its lists have named."""

    owner: Person
    holdout: Holdout
    known: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    reached: set[str] = field(default_factory=set)
    leaks: dict[str, set[str]] = field(default_factory=dict)

    @property
    def workspace(self) -> dict[str, str]:
        """The header that names the workspace where the path does not."""
        return {"X-Workspace-Id": str(self.owner.workspace_id)}

    async def run(self) -> None:
        """Go through the routes, those with fewer names in their path first, because they tell the names of the others."""
        self.known["workspace_id"] = [str(self.owner.workspace_id)]
        routes = [path for path, item in DOCUMENT["paths"].items() if "get" in item]
        for path in sorted(routes, key=lambda path: ("{token}" in path, len(PARAMETER.findall(path)))):
            await self.read(path)
        for path, item in DOCUMENT["paths"].items():
            operation = item.get("post")
            if operation is not None and operation["operationId"] in READING_POSTS:
                await self._ask(path, operation)

    async def read(self, path: str) -> None:
        """Call one GET route with everything that is known to name in its path."""
        for filled in self._filled(path):
            await self._read(path, DOCUMENT["paths"][path]["get"], filled)

    def _filled(self, path: str) -> Iterator[str]:
        names = PARAMETER.findall(path)
        for values in product(*(self.known[name][: None if name == "token" else MOST_VALUES] for name in names)):
            filled = path
            for name, value in zip(names, values, strict=True):
                filled = filled.replace(f"{{{name}}}", value)
            yield filled

    async def _read(self, path: str, operation: Json, filled: str) -> None:
        wanted = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
        query = {"limit": "200"} if "limit" in wanted else {}
        query |= {name: "1" for name in ("from", "to") if name in wanted}
        for kind in operation["responses"].get("200", {}).get("content", {"*/*": {}}):
            offset = 0
            while True:
                pages = {"offset": str(offset)} if "offset" in wanted and offset else {}
                answer = await self.owner.client.get(filled, params=query | pages, headers={"Accept": kind, **self.workspace})
                self._judge(path, answer)
                told = answer.json() if "application/json" in answer.headers.get("content-type", "") else {}
                results = told.get("results", []) if isinstance(told, dict) else []
                self._learn(path, results)
                offset += len(results)
                if not results or "offset" not in wanted or offset >= told["pagination"]["total"]:
                    break

    async def _ask(self, path: str, operation: Json) -> None:
        body = {name: self.known[known][0] for name, known in READING_POSTS[operation["operationId"]].items()}
        for filled in self._filled(path):
            self._judge(path, await self.owner.client.post(filled, json=body))

    def _judge(self, path: str, answer: httpx.Response) -> None:
        assert answer.status_code < 500, answer.text
        self.known["token"] += [token for token in ARTIFACT.findall(answer.text) if token not in self.known["token"]]
        if answer.status_code < 300:
            self.reached.add(path)
        if path.startswith(PLAIN):
            assert '"split"' not in answer.text
            return
        texts = texts_of(answer)
        if path == "/api/v1/account/export":
            lines = [json.loads(line) for line in answer.text.splitlines()]
            texts = [part for line in lines if line.get("table") not in PLAIN_TABLES for part in strings_of(line)]
        if found := self.holdout.leaks(texts):
            self.leaks.setdefault(path, set()).update(found)

    def _learn(self, path: str, results: list[Any]) -> None:
        """Take names for paths below this one from what it lists."""
        below = {
            other.removeprefix(f"{path}/{{").partition("}")[0] for other in DOCUMENT["paths"] if other.startswith(f"{path}/{{")
        }
        for name in below:
            member = {"template_name": "name", "session": "session_id"}.get(name, name)
            for item in results:
                value = item.get(member, item.get("id")) if isinstance(item, dict) else None
                if value is not None and str(value) not in self.known[name]:
                    self.known[name].append(str(value))
        if path == f"{WORKSPACE}/samples/sets/{{sample_set_id}}/samples":
            self.known["sample_id"] += [item["id"] for item in results]


async def read_holdout(database: Database, owner: Person) -> Holdout:
    """Which cases were sealed, read where nobody but the server reads."""
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await confine(session, Reading.REGISTRY)
        rows = (
            await session.execute(
                text(
                    "SELECT s.split, p.sample_id::text, p.content_hash, p.content_group, p.fingerprint, p.content::text"
                    " AS content FROM published_samples p JOIN case_splits s USING (workspace_id, content_group)"
                )
            )
        ).all()
    ids: dict[bool, set[str]] = {True: set(), False: set()}
    runs: dict[bool, set[tuple[str, ...]]] = {True: set(), False: set()}
    for row in rows:
        is_held = row.split == "holdout"
        ids[is_held] |= {row.sample_id, row.content_hash, row.content_group, row.fingerprint}
        for part in strings_of(json.loads(row.content)):
            runs[is_held] |= runs_of(part)
    return Holdout(frozenset(ids[True] - ids[False]), frozenset(runs[True] - runs[False]))


@dataclass(frozen=True)
class Scanned:
    """A workspace after a scan, what was asked of its proposer, and what was logged."""

    scannable: Scannable
    scan: Json
    holdout: Holdout
    proposals: list[str]
    logged: str


@pytest.fixture
async def scanned(
    owner: Person, database: Database, work: Drain, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Scanned:
    proposals: list[str] = []
    complete: Callable[[SimulatorProvider, ModelRequest], Any] = SimulatorProvider.complete

    async def overheard(self: SimulatorProvider, request: ModelRequest) -> ModelAnswer:
        if request.model == "sim/proposer":
            proposals.extend(message.content for message in request.messages)
        answer: ModelAnswer = await complete(self, request)
        return answer

    monkeypatch.setattr(SimulatorProvider, "complete", overheard)
    scannable = await make_scannable(owner, database, judged=True)
    for path, body in (
        ("evaluations/objectives", {"name": "Q", "rubric_id": str(scannable.rubric_id), "terms": [QUALITY]}),
        ("agents/templates", {"name": "greeting", "text": "Be kind."}),
        ("webhooks", {"url": "https://example.com/hook"}),
        ("scans/schedules", {"name": "By hand"}),
        ("traces", {"traces": [{"agent": "support-agent", "input": "Hi", "output": "Hello", "session_id": "s1"}]}),
    ):
        await owner.client.post(f"{owner.w}/{path}", json=body)
    started = await scannable.start(rubric_id=str(scannable.rubric_id), max_candidates=2)
    await work()
    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert (scan["status"], scan["verdict"]["outcome"]) == ("completed", "improve")
    assert proposals
    return Scanned(scannable, scan, await read_holdout(database, owner), proposals, "".join(capsys.readouterr()))


QUALITY = {"metric": "quality", "direction": "maximize", "weight": 1}


async def test_no_route_tells_what_lies_in_the_holdout_and_none_that_leaks_goes_unseen(
    scanned: Scanned, database: Database
) -> None:
    owner, holdout = scanned.scannable.owner, scanned.holdout
    assert len(holdout.ids) > 100
    assert len(holdout.runs) > 500

    crawl = Crawl(owner, holdout)
    await crawl.run()

    assert crawl.leaks == {}
    paths = {path for path, item in DOCUMENT["paths"].items() if "get" in item}
    assert paths - crawl.reached == BEYOND_REACH.keys()
    asked = {path for path, item in DOCUMENT["paths"].items() if item.get("post", {}).get("operationId") in READING_POSTS}
    assert len(asked & crawl.reached) == len(READING_POSTS)
    assert holdout.leaks(scanned.proposals) == set()
    assert holdout.leaks([scanned.logged]) == set()

    identity, run = min(holdout.ids), " ".join(min(holdout.runs))
    await plant(database, owner, scanned.scan["id"], f"It failed on {identity}.")
    await plant(database, owner, scanned.scan["id"], f"It said: {run.upper()}!")
    await crawl.read(EVENTS)
    assert crawl.leaks == {EVENTS: {identity, run}}
    assert holdout.leaks([f"Cases: {' '.join(max(holdout.runs))}"]) != set()


async def plant(database: Database, owner: Person, scan_id: str, words: str) -> None:
    """Let an event of the scan say this."""
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(
            text(
                "INSERT INTO scan_events (workspace_id, scan_id, sequence, at, phase, level, type, subject, message, data)"
                " SELECT workspace_id, scan_id, max(sequence) + 1, now(), 'safety', 'info', 'planted', :subject, 'Said.',"
                " jsonb_build_object('detail', cast(:words AS text)) FROM scan_events WHERE scan_id = :scan_id"
                " GROUP BY workspace_id, scan_id"
            ),
            {"scan_id": scan_id, "words": words, "subject": uuid4().hex},
        )
