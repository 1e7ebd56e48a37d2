"""The report of a scan for people: what it decided, on which figures, and everything that it tried."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean
from typing import Any
from uuid import UUID

import re2
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from spectral_platform.changesets.states import Outcome
from spectral_platform.llm.queries import Spending
from spectral_platform.scans.failures import case_of
from spectral_platform.scans.pairing import pair_composites
from spectral_platform.scans.reporting import figures
from spectral_platform.scans.reporting.changes import ShownChange, describe_change
from spectral_platform.scans.run import Contender, Run
from spectral_platform.scans.verdicts.verdict import Gate, GateResult, Verdict, describe_need

HEADLINES = {
    Outcome.IMPROVE: "A change that helps",
    Outcome.REJECTED_TRADEOFF: "Good and harm: not proposed",
    Outcome.VALIDATED_NO_CHANGE: "No changes warranted",
    Outcome.INSUFFICIENT_EVIDENCE: "Not enough evidence",
}
OF_DIFFERENCES = {Gate.IMPROVEMENT, Gate.AUTHORITIES, Gate.DIMENSIONS}
COMPOSITE = "composite"
MOST_BARS = 20
SMALL, SMALL_AMOUNT = 0.001, Decimal("0.001")
"""What is smaller is shown by the digits that count."""
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


def _as_figure(value: float | None, *, is_signed: bool = False) -> str:
    """A whole number as such, any other to three digits after the point, or to two that count where it is smaller."""
    if value is None:
        return "unknown"
    sign = "+" if is_signed else ""
    if 0 < abs(value) < SMALL:
        return f"{value:{sign}.2g}"
    return f"{value:,.0f}" if value == int(value) and not is_signed else f"{value:{sign},.3f}"


def _as_measured(gate: Mapping[str, Any], name: str) -> str:
    """What a gate measured, or its threshold: differences of scores with their sign, all else as the figure it is."""
    return _as_figure(gate[name], is_signed=gate["gate"] in OF_DIFFERENCES)


def _as_money(amount: Decimal | None) -> str:
    if amount is None:
        return "unknown"
    return f"{amount:,.4f}" if amount == 0 or amount >= SMALL_AMOUNT else f"{amount:.2g}"


def _fence(text: str) -> str:
    """A fence for a block of code that nothing in the text can close."""
    return "`" * (1 + max([2, *(len(run) for run in re2.findall("`+", text))]))


_templates.filters |= {"as_figure": _as_figure, "as_money": _as_money, "fence": _fence}
_templates.globals["as_measured"] = _as_measured
_HTML_PAGE, _MARKDOWN_PAGE = map(_templates.get_template, ("report.html.jinja", "report.md.jinja"))


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
    change: ShownChange | None
    means: tuple[tuple[str, float | None, float | None], ...]
    """Of the sealed cases: metric, mean of the baseline, mean of the finalist."""
    agents: tuple[str, ...]
    candidates: tuple[dict[str, Any], ...]
    clusters: tuple[dict[str, Any], ...]
    spending: tuple[dict[str, Any], ...]
    framework: dict[str, str]
    pictures: tuple[Picture, ...]

    @property
    def change_title(self) -> str:
        """What to call the finalist's change: only one that helps is proposed."""
        return "The change" if self.outcome == Outcome.IMPROVE else "What was tried on the sealed cases"

    @property
    def needs(self) -> str:
        """What would make the evidence suffice, in words; empty where more of the same would not."""
        return describe_need(self.verdict["need"])

    def as_html(self) -> str:
        """The report as one page that loads nothing."""
        return _HTML_PAGE.render(page=self)

    def as_markdown(self) -> str:
        """The report as Markdown, for a pull request or a chat."""
        return _MARKDOWN_PAGE.render(page=self)


def write_report(run: Run, verdict: Verdict, by_model: Sequence[Spending]) -> ReportPage:
    """Write the report of a scan that has come to its verdict."""
    settings = run.settings
    names = {agent.agent_id: agent.name for agent in settings.agents}
    effects = _effects(run)
    clusters = tuple(
        {
            "agent": names[agent_id],
            "label": cluster.label,
            "effect": effects.get((agent_id, cluster.signature)),
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
        change=describe_change(run),
        means=tuple(_means(run)),
        agents=tuple(names.values()),
        candidates=tuple(_row(contender) for contender in run.found.contenders),
        clusters=clusters,
        spending=spending,
        framework={
            "agents": ", ".join(f"{agent.name}, version {agent.base_version}" for agent in settings.agents),
            "models": ", ".join(f"{purpose}: {model}" for purpose, model in sorted(settings.models.items())),
            "traces": f"{settings.trace_since:%Y-%m-%d %H:%M} to {settings.trace_until:%Y-%m-%d %H:%M} UTC",
            "evidence level": verdict.evidence_level.value,
            "world model": settings.world_model,
            "rubric": f"{settings.rubric_id}, version {settings.rubric_version}",
            "sample set version": str(settings.sample_set_version_id or "none"),
            "seed": str(settings.seed),
        },
        pictures=tuple(_pictures(run, verdict, clusters, spending)),
    )


def _means(run: Run) -> Iterator[tuple[str, float | None, float | None]]:
    """What was measured on the sealed cases, but for the single rules of the domain standard: of those there are many."""
    pairs = run.found.holdout
    if pairs is not None:
        before, after = pairs.baseline_means, pairs.candidate_means
        for metric in sorted(before.keys() | after.keys(), key=lambda name: (":" in name, name != COMPOSITE, name)):
            if not metric.startswith("rule:"):
                yield metric, before.get(metric), after.get(metric)


def _effects(run: Run) -> dict[tuple[UUID, str], dict[str, Any]]:
    """How many training cases of each cluster the finalist mends, breaks, and leaves as they are."""
    finalist = run.found.finalist
    return {(finalist.agent.agent_id, row["signature"]): row for row in run.found.attribution} if finalist else {}


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
