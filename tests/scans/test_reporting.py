"""What a scan leaves to be read elsewhere: files behind signed links, and a report that needs nothing beside itself."""

import hashlib
import io
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import orjson
import pyarrow.parquet as pq
import pytest
from httpx import AsyncClient
from playwright.async_api import expect

from spectral_platform.agents.diffs import DiffLine
from spectral_platform.core.database import Database
from spectral_platform.scans.reporting.changes import ShownChange, show_lines
from spectral_platform.scans.reporting.figures import Axis, plot_amounts, plot_frontier
from spectral_platform.scans.reporting.report import ReportPage
from tests.fixtures.browser import Visit
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import Scannable, make_scannable

FILES = ["candidates.jsonl", "clusters.json", "report.html", "report.md", "scores.parquet", "verdict.json"]


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable(owner, database)


async def files_of(scannable: Scannable, scan_id: str) -> dict[str, dict[str, Any]]:
    found = await scannable.get(f"scans/{scan_id}/artifacts")
    return {file["path"]: file for file in found["results"]}


async def test_a_completed_scan_leaves_its_report_and_its_figures(
    scannable: Scannable, work: Drain, client: AsyncClient, visit: Visit
) -> None:
    started = await scannable.start()
    scan_id = started["scan_id"]
    assert await files_of(scannable, scan_id) == {}
    waiting = await scannable.get(f"scans/{scan_id}/steps?limit=2")
    assert (waiting["pagination"]["total"], {step["status"] for step in waiting["results"]}) == (7, {"pending"})
    early = await scannable.owner.client.get(f"{scannable.owner.w}/scans/{scan_id}/report", headers={"Accept": "text/html"})
    assert (early.status_code, "It is scheduled; files" in early.json()["detail"]) == (404, True)
    await work()
    scan = await scannable.get(f"scans/{scan_id}")

    files = await files_of(scannable, scan_id)
    assert sorted(files) == FILES
    await check_steps(scannable, scan)
    contents = {}
    for path, file in files.items():
        answer = await client.get(urlsplit(file["url"]).path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(file["media_type"])
        assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (file["size_bytes"], file["sha256"])
        contents[path] = answer.content
        assert (await scannable.get(f"scans/{scan_id}/artifacts/{file['id']}"))["sha256"] == file["sha256"]

    assert orjson.loads(contents["verdict.json"])["outcome"] == scan["verdict"]["outcome"] == "improve"
    report = await scannable.get(f"scans/{scan_id}/report")
    fates = [orjson.loads(line)["fate"] for line in contents["candidates.jsonl"].splitlines()]
    assert fates == [candidate["fate"] for candidate in report["candidates"]]
    scores = pq.read_table(io.BytesIO(contents["scores.parquet"]))
    assert set(scores["split"].to_pylist()) == {"train", "dev"}
    assert {"composite", "authority_a", "dimension:sources", "cost_usd"} <= set(scores.column_names)

    markdown = await scannable.owner.client.get(
        f"{scannable.owner.w}/scans/{scan_id}/report", headers={"Accept": "text/markdown"}
    )
    assert markdown.content == contents["report.md"]
    assert "| G1 |" in markdown.text
    assert "**Simulated.**" in markdown.text

    proposed = (await scannable.get(f"changesets/{scan['changeset_id']}"))["items"][0]
    added = [line for hunk in proposed["diff"]["template"][0]["hunks"] for line in hunk["lines"] if line["kind"] == "added"]
    assert all(f"\n+{line['text']}\n" in markdown.text for line in added)
    assert "\n| composite | " in markdown.text

    page = visit.page
    await page.goto(urlsplit(files["report.html"]["url"]).path)
    await expect(page.get_by_role("heading", level=1)).to_have_text("A change that helps")
    assert await page.locator(".change .added").all_text_contents() == [line["text"] for line in added]
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await page.set_viewport_size({"width": 1280, "height": 800})
    assert await page.get_by_role("img").count() >= 4
    outside = """pictures => pictures.flatMap(picture => [...picture.querySelectorAll("text, rect, circle")].filter(mark => {
        const whole = picture.getBoundingClientRect(), part = mark.getBoundingClientRect();
        return part.left < whole.left - 1 || part.right > whole.right + 1 || part.bottom > whole.bottom + 1;
    }).map(mark => mark.textContent))"""
    assert await page.locator("figure svg").evaluate_all(outside) == []


async def check_steps(scannable: Scannable, scan: dict[str, Any]) -> None:
    path = f"scans/{scan['id']}/steps"
    found = await scannable.get(path)
    steps = {step["phase"]: step for step in found["results"]}
    assert list(steps) == ["observe", "detect", "cluster", "generate", "evaluate", "diagnose", "safety"]
    assert {step["status"] for step in steps.values()} == {"completed"}
    assert steps["detect"]["finished_at"] == steps["cluster"]["started_at"]
    assert steps["safety"]["finished_at"] == scan["finished_at"]
    assert steps["detect"]["metrics"]["failed_cases"] > 0
    detect = await scannable.get(f"{path}/{steps['detect']['id']}")
    assert detect == steps["detect"]
    log = await scannable.get(f"{path}/{detect['id']}/logs?limit=1")
    rest = await scannable.get(f"{path}/{detect['id']}/logs?cursor={log['pagination']['next_cursor']}&limit=200")
    said = [*log["results"], *rest["results"]]
    assert len(said) == log["pagination"]["total"]
    assert said[0]["type"] == "phase_started"
    assert {line["phase"] for line in said} == {"detect"}
    nothing = await scannable.owner.client.get(f"{scannable.owner.w}/{path}/{scan['id']}")
    assert nothing.status_code == 404


def test_of_a_changed_line_the_report_shows_which_words_changed() -> None:
    texts = [("context", "a"), ("removed", "Be brief and kind."), ("removed", "Bye."), ("added", "Be brief, cite [1] and kind.")]
    shown = show_lines([DiffLine.model_validate({"kind": kind, "text": text}) for kind, text in texts])
    assert [(line.kind, line.before, line.own, line.after) for line in shown] == [
        ("context", "a", "", ""),
        ("removed", "Be ", "brief", " and kind."),
        ("removed", "Bye.", "", ""),
        ("added", "Be ", "brief, cite [1]", " and kind."),
    ]


async def test_links_that_are_not_ours_lead_nowhere(scannable: Scannable, client: AsyncClient) -> None:
    answer = await client.get("/api/v1/signed/artifacts/eyJhbGciOiJub25lIn0.e30.")
    assert answer.status_code == 404
    token = str(scannable.owner.tokens["access_token"])
    assert (await client.get(f"/api/v1/signed/artifacts/{token}")).status_code == 404


HOSTILE = r"$\nosuchmacro$ costs $5 | \| <b>![x](https://example.org/x.png)" + "\n# Heading"


def test_what_agents_and_models_say_is_no_markup_in_a_plot() -> None:
    picture = plot_amounts({"<script>$5</script> & more": 3.0}, "cases")
    words = [text.text for text in ElementTree.fromstring(picture).iter("text")]
    assert words == ["<script>$5</script> & more", "0", "1", "2", "3", "cases"]


@pytest.mark.parametrize(
    ("name", "shown"), [("答" * 60, "答" * 21 + "…"), ("x" * 60, "x" * 43 + "…"), ("one\n line", "one line")]
)
def test_a_long_name_without_spaces_is_cut_and_not_left_out(name: str, shown: str) -> None:
    picture = ElementTree.fromstring(plot_amounts({name: 3.0}, "cases"))
    (label,) = [text for text in picture.iter("text") if text.get("text-anchor") == "end"]
    assert label.text == shown
    assert float(label.attrib["x"]) > 12 * shown.count("答")  # it begins within the picture


@pytest.mark.parametrize("costs", [(0.0, 0.0), (1e-22, 3e-22), (1e-9, 1e-9 + 1e-24), (1e5, 1e5 + 1e-11)])
def test_costs_that_hardly_differ_are_drawn_all_the_same(costs: tuple[float, float]) -> None:
    picture = ElementTree.fromstring(plot_frontier([("baseline", costs[0], 0.5), ("1", costs[1], 0.5 + 1e-17)]))
    assert len(list(picture.iter("circle"))) == 2


@pytest.mark.parametrize("amount", [0.0, 2.5e-7, 1.0, 999.5, 3e9])
def test_an_axis_of_any_size_has_a_handful_of_round_ticks(amount: float) -> None:
    axis = Axis(0.0, 1.04 * amount or 1.0, 100.0, 700.0)
    places, words = zip(*axis.ticks(), strict=True)
    assert 3 <= len(set(words)) == len(words) <= 7
    assert places == tuple(sorted(places))
    assert places[0] == 100.0
    assert places[-1] <= 700.0


def test_what_agents_and_models_say_is_no_markup_in_a_report() -> None:
    page = ReportPage(
        headline="Not enough evidence",
        scan_id="1",
        outcome="insufficient_evidence",
        simulated=False,
        verdict={"reasons": [HOSTILE], "effect": None, "gates": [], "need": {"cases": 120, "labels": None, "repeats": 3}},
        change=ShownChange(
            agent=HOSTILE, base_version=1, reason=HOSTILE, parts=(), parameters=(), unified=f"+````\n+{HOSTILE}\n"
        ),
        means=((HOSTILE, 1.0, None),),
        agents=(HOSTILE,),
        candidates=(),
        clusters=({"label": HOSTILE, "agent": HOSTILE, "size": 3, "share": 0.5, "severity": 0.5, "effect": None},),
        spending=(),
        framework={},
        pictures=(),
    )

    assert "<b>" not in page.as_html()
    markdown, fence = page.as_markdown(), "`" * 5
    assert "To know more: 120 sealed cases or 3 runs of each case." in markdown
    before, code, after = markdown.split(fence)
    assert code.startswith("diff\n+````\n")
    markdown = before + after
    assert not {"# Heading", "![x](https://example.org/x.png)"} & {line.strip() for line in markdown.splitlines()}
    (row,) = [line for line in markdown.splitlines() if line.endswith("| 3 | 0.50 |  |")]
    said = r"$\\nosuchmacro$ costs $5 \| \\\| \<b\>\!\[x\](https://example.org/x.png) \# Heading"
    assert row == f"| {said} ({said}) | 3 | 0.50 |  |"
