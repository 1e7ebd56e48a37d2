"""What goes wrong in traces stands beside what training cases fail."""

import time
from typing import Any
from uuid import uuid4

from spectral_platform.core.database import Database
from tests.evaluations.scores.test_spans import span
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import Scannable, make_scannable

RUN = [
    {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": "support-agent", "input__value": "Where is it?"},
    *(
        {
            "gen_ai__operation__name": "execute_tool",
            "gen_ai__tool__name": "track",
            "gen_ai__tool__call__arguments": '{"parcel": 7}',
            "gen_ai__tool__call__result": '{"state": "on its way"}',
        }
        for _ in range(2)
    ),
]
"""A run that calls the same tool twice in vain."""


async def send_runs(scannable: Scannable, count: int) -> set[str]:
    trace_ids = {uuid4().hex for _ in range(count)}
    owner, now = scannable.owner, time.time_ns() - 60_000_000_000
    spans = []
    for trace_id in sorted(trace_ids):
        asked = {"input__value": f"What about parcel {trace_id[:8]} from {trace_id[8:16]}?"}
        for number, attributes in enumerate([RUN[0] | asked, *RUN[1:]], 1):
            times = {"startTimeUnixNano": str(now + number), "endTimeUnixNano": str(now + number + 1_000_000)}
            spans.append(span(trace_id, number, f"step {number}", **attributes) | times)
    body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    sent = await owner.client.post("/otel/v1/traces", json=body, headers=owner.bearing(await owner.key()))
    assert sent.status_code == 200, sent.text
    return trace_ids


async def report(scannable: Scannable, **trace: Any) -> set[str]:
    traces = [{"agent": "support-agent", "input": f"Where is order {number}?"} | trace for number in range(4)]
    answer = await scannable.owner.client.post(f"{scannable.owner.w}/traces", json={"traces": traces})
    assert answer.status_code == 202, answer.text
    assert answer.json()["rejected"] == []
    return set(answer.json()["trace_ids"])


def by_criterion(clusters: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {criterion: cluster for cluster in clusters for criterion in cluster["card"]["criteria"]}


async def with_traces(scannable: Scannable) -> list[dict[str, Any]]:
    listed = (await scannable.get("changesets/clusters?limit=200"))["results"]
    return [cluster for cluster in listed if cluster["card"]["traces"]]


async def test_failed_disliked_and_careless_runs_are_clusters_that_keep_their_ids(
    owner: Person, database: Database, work: Drain
) -> None:
    scannable = await make_scannable(owner, database, samples=20)
    careless = await send_runs(scannable, 4)
    failed = await report(scannable, output=None, error="billing timed out")
    disliked = await report(scannable, output="See [KB-1]. The next step: wait.")
    for trace_id in disliked:
        body = {"score": -0.5, "comment": "This is rude."}
        assert (await owner.client.post(f"{owner.w}/traces/{trace_id}/feedback", json=body)).status_code == 201

    await scannable.start(seed=1)
    await work()

    found = by_criterion(await with_traces(scannable))
    expected = {"detector:repeated_call": careless, "trace:error": failed, "feedback:negative": disliked}
    assert expected.keys() <= found.keys(), found.keys()
    for criterion, trace_ids in expected.items():
        traces = await scannable.get(f"changesets/clusters/{found[criterion]['cluster_id']}/traces")
        assert {trace["trace_id"] for trace in traces["results"]} == trace_ids, criterion
    assert found["detector:repeated_call"]["card"]["category"] == "step_repeated"
    assert found["trace:error"]["card"]["addressable"] == "tool"
    assert "This is rude" not in str(found["feedback:negative"])  # what a person wrote stays with the trace
    cases = [cluster for cluster in (await scannable.get("changesets/clusters"))["results"] if cluster["card"]["train_cases"]]
    assert cases
    assert all(0 <= cluster["card"]["authority_a_loss"] <= 1 for cluster in cases)

    more = await send_runs(scannable, 2)
    await scannable.start(seed=2)
    await work()

    again = by_criterion(await with_traces(scannable))
    for criterion in expected:
        assert again[criterion]["cluster_id"] == found[criterion]["cluster_id"], criterion
        assert len(again[criterion]["trend"]) == 2
    grown = await scannable.get(f"changesets/clusters/{found['detector:repeated_call']['cluster_id']}/traces")
    assert {trace["trace_id"] for trace in grown["results"]} == careless | more


async def test_a_trace_that_became_a_sample_is_in_no_cluster(owner: Person, database: Database, work: Drain) -> None:
    scannable = await make_scannable(owner, database, samples=20)
    await send_runs(scannable, 3)
    sample_set = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Curated"})).json()
    curated = await owner.client.post(f"{owner.w}/samples/sets/{sample_set['id']}/curate", json={"dedupe": False})
    assert curated.json()["created"] == 3, curated.text

    await scannable.start()
    await work()

    assert await with_traces(scannable) == []
