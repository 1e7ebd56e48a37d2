"""The report of a scan for people: what it decided, on which figures, and everything that it tried."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean
from typing import Any

import re2
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from spectral_platform.changesets.states import Outcome
from spectral_platform.llm.queries import Spending
from spectral_platform.scans.failures import case_of
from spectral_platform.scans.pairing import pair_composites
from spectral_platform.scans.reporting import figures
from spectral_platform.scans.run import Contender, Run
from spectral_platform.scans.verdicts.verdict import Gate, GateResult, Verdict

HEADLINES = {
    Outcome.IMPROVE: "A change that helps",
    Outcome.REJECTED_TRADEOFF: "Good and harm: not proposed",
    Outcome.VALIDATED_NO_CHANGE: "No changes warranted",
    Outcome.INSUFFICIENT_EVIDENCE: "Not enough evidence",
}
OF_DIFFERENCES = {Gate.IMPROVEMENT, Gate.AUTHORITIES, Gate.DIMENSIONS}
MOST_BARS = 20
_MARKDOWN_MARKS = re2.compile(r"([\\`*_\[\]<>|~!#&])")


def _as_markdown(text: str) -> str:
    """Words of agents, models and samples as words: no link, picture, cell or line of theirs begins in the report."""
    escaped: str = _MARKDOWN_MARKS.sub(r"\\\1", " ".join(text.split()))
    return escaped


_templates = Environment(
    loader=PackageLoader("spectral_platform.scans.reporting"),
    autoescape=select_autoescape(enabled_extensions=("html.jinja",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["as_markdown"] = _as_markdown


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot of a report with the words that say what it shows."""

    title: str
    caption: str
    drawing: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """Everything that the report shows; rows of the holdout are not among it."""

    headline: str
    scan_id: str
    outcome: str
    simulated: bool
    verdict: dict[str, Any]
    agents: tuple[str, ...]
    candidates: tuple[dict[str, Any], ...]
    clusters: tuple[dict[str, Any], ...]
    spending: tuple[dict[str, Any], ...]
    framework: dict[str, str]
    pictures: tuple[Picture, ...]

    def as_html(self) -> str:
        """The report as one page that loads nothing."""
        return _templates.get_template("report.html.jinja").render(page=self)

    def as_markdown(self) -> str:
        """The report as Markdown, for a pull request or a chat."""
        return _templates.get_template("report.md.jinja").render(page=self)


def write_report(run: Run, verdict: Verdict, by_model: Sequence[Spending]) -> ReportPage:
    """Write the report of a scan that has come to its verdict."""
    settings = run.settings
    names = {agent.agent_id: agent.name for agent in settings.agents}
    clusters = tuple(
        {
            "agent": names[agent_id],
            "label": cluster.label,
            "size": len({case_of(key) for key in cluster.members}),
            "share": cluster.share,
            "severity": cluster.severity,
        }
        for agent_id, found in run.found.clusters.items()
        for cluster in found
    )
    spending = tuple(
        {
            "model": spent.group[0],
            "provider": spent.group[1],
            "calls": spent.calls,
            "tokens": spent.input_tokens + spent.output_tokens,
            "cost_usd": spent.cost_usd,
        }
        for spent in by_model
    )
    return ReportPage(
        headline=HEADLINES[verdict.outcome],
        scan_id=str(run.tenant.scan_id),
        outcome=verdict.outcome.value,
        simulated=run.simulated,
        verdict=verdict.model_dump(mode="json"),
        agents=tuple(names.values()),
        candidates=tuple(_row(contender) for contender in run.found.contenders),
        clusters=clusters,
        spending=spending,
        framework={
            "world model": settings.world_model,
            "rubric": f"{settings.rubric_id}, version {settings.rubric_version}",
            "sample set version": str(settings.sample_set_version_id or "none"),
            "seed": str(settings.seed),
        },
        pictures=tuple(_pictures(run, verdict, clusters, spending)),
    )


def _row(contender: Contender) -> dict[str, Any]:
    return {
        "position": contender.position,
        "agent": contender.agent.name,
        "strategy": contender.candidate.strategy.value,
        "rationale": contender.candidate.rationale,
        "fate": contender.fate,
        "fate_detail": contender.fate_detail,
        "dev_mean": contender.dev.get("mean"),
    }


def _pictures(
    run: Run, verdict: Verdict, clusters: Sequence[dict[str, Any]], spending: Sequence[dict[str, Any]]
) -> list[Picture]:
    pictures: list[Picture] = []

    def show(title: str, caption: str, drawing: Markup) -> None:
        pictures.append(Picture(title=title, caption=caption, drawing=drawing))

    bounds = _bounds(verdict)
    if bounds:
        show("Bounds against thresholds", "Every bound of a test that passed lies right of its bar.", figures.plot_bounds(bounds))
    differences = _dev_differences(run)
    if differences:
        caption = f"The finalist against the baseline on {len(differences)} dev cases. It was chosen by them, so they flatter it."
        show("Paired differences", caption, figures.plot_differences(differences))
    points = _frontier(run)
    if len(points) > 1:
        show("Quality and cost", "Green: no other config is both cheaper and better.", figures.plot_frontier(points))
    if clusters:
        sizes = {f"{row['label']} ({row['agent']})": float(row["size"]) for row in clusters[:MOST_BARS]}
        show(
            "Failure clusters", "Training cases in each cluster of the baseline's failures.", figures.plot_amounts(sizes, "cases")
        )
    costs: dict[str, float] = defaultdict(float)
    for row in spending:
        costs[row["model"]] += float(row["cost_usd"] or Decimal(0))
    if any(costs.values()):
        show("Cost by model", "What this scan has paid, priced calls alone.", figures.plot_amounts(dict(costs), "US dollars"))
    return pictures


def _bounds(verdict: Verdict) -> list[GateResult]:
    return [gate for gate in verdict.gates if gate.gate in OF_DIFFERENCES and gate.value is not None]


def _dev_differences(run: Run) -> tuple[float, ...]:
    finalist = run.found.finalist
    if finalist is None:
        return ()
    baseline = run.baseline_trials(finalist.agent, tuple(trial.case for trial in finalist.dev_trials))
    return pair_composites(baseline, finalist.dev_trials, run.standard, run.found.references[finalist.agent.agent_id])


def _frontier(run: Run) -> list[tuple[str, float, float]]:
    """Name, mean cost and mean composite on dev of the baseline and of every candidate that ran on all dev cases."""
    finalist = run.found.finalist
    if finalist is None:
        return []
    arms = {
        f"{contender.position}": contender.dev_trials
        for contender in run.found.contenders
        if contender.agent == finalist.agent and len(contender.dev_trials) == len(finalist.dev_trials)
    }
    arms["baseline"] = run.baseline_trials(finalist.agent, tuple(trial.case for trial in finalist.dev_trials))
    points = []
    for name, trials in arms.items():
        scores = [trial.score(run.standard, run.found.references[finalist.agent.agent_id]) for trial in trials]
        composites = [score.composite for score in scores if score is not None and score.composite is not None]
        costs = [trial.measures.cost_usd for trial in trials if trial.measures.cost_usd is not None]
        if composites and costs:
            points.append((name, fmean(costs), fmean(composites)))
    return points
