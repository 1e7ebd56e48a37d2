"""The files that a scan leaves: its report and its figures, for notebooks, pull requests and archives."""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from spectral_platform.core.values import Value
from spectral_platform.scans.reporting.report import ReportPage
from spectral_platform.scans.run import BASELINE, Run
from spectral_platform.scans.trials import Trial
from spectral_platform.scans.verdicts.verdict import Verdict

HTML, MARKDOWN = "text/html", "text/markdown"
JSON, JSON_LINES, PARQUET = "application/json", "application/x-ndjson", "application/vnd.apache.parquet"


class ArtifactFile(Value):
    """One file, before it is stored."""

    path: str
    media_type: str
    content: bytes


def make_files(run: Run, verdict: Verdict, page: ReportPage) -> tuple[ArtifactFile, ...]:
    """Every file of a scan that has come to its verdict; of cases, train and dev alone. Slow: not for the event loop."""
    candidates = [
        {
            "position": contender.position,
            "agent_id": str(contender.agent.agent_id),
            "key": contender.candidate.key,
            "parent_key": contender.candidate.parent_key,
            "strategy": contender.candidate.strategy.value,
            "component": contender.candidate.component.value,
            "rationale": contender.candidate.rationale,
            "fate": contender.fate,
            "fate_detail": contender.fate_detail,
            "dev": contender.dev,
            "config": contender.candidate.config.model_dump(mode="json"),
        }
        for contender in run.found.contenders
    ]
    return (
        ArtifactFile(path="report.html", media_type=HTML, content=page.as_html().encode()),
        ArtifactFile(path="report.md", media_type=MARKDOWN, content=page.as_markdown().encode()),
        ArtifactFile(path="verdict.json", media_type=JSON, content=verdict.model_dump_json(indent=2).encode()),
        ArtifactFile(path="clusters.json", media_type=JSON, content=_json(page.clusters)),
        ArtifactFile(path="candidates.jsonl", media_type=JSON_LINES, content=b"".join(_json(row) + b"\n" for row in candidates)),
        ArtifactFile(path="scores.parquet", media_type=PARQUET, content=_parquet(_scores(run))),
    )


def _scores(run: Run) -> Iterator[Mapping[str, Any]]:
    """One row for each answer on a train or dev case, by baseline or candidate.

    Cases are numbered, not named: whoever could tell all those that are here could tell the sealed ones too.
    """
    numbers: dict[str, int] = {}
    for agent_id, trials in run.found.baseline.items():
        for trial in trials.values():
            number = numbers.setdefault(trial.case.key, len(numbers))
            yield _score(run, trial, number, agent_id=agent_id, arm=BASELINE)
    for contender in run.found.contenders:
        for trial in (*contender.train.values(), *contender.dev_trials):
            number = numbers.setdefault(trial.case.key, len(numbers))
            yield _score(run, trial, number, agent_id=contender.agent.agent_id, arm=contender.candidate.key)


def _score(run: Run, trial: Trial, number: int, *, agent_id: UUID, arm: str) -> dict[str, Any]:
    score = trial.score(run.standard, run.found.references[agent_id])
    row = {
        "agent_id": str(agent_id),
        "arm": arm,
        "split": trial.case.split.value,
        "kind": trial.case.kind,
        "case": number,
        "repeat": trial.repeat,
        "status": trial.status.value,
        "composite": score and score.composite,
        "authority_a": score and score.authority_a,
        "authority_b": score and score.authority_b,
        "critical": score and score.critical,
        **asdict(trial.measures),
    }
    dimensions = score.dimensions if score else {}
    return row | {f"dimension:{dimension.key}": dimensions.get(dimension.key) for dimension in run.standard.dimensions}


def _parquet(rows: Iterable[Mapping[str, Any]]) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), written, compression="zstd")
    return written.getvalue()


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if isinstance(value, tuple) else None)
