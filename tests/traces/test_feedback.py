"""Feedback on traces over HTTP."""

from typing import Any

import pytest

from spectral_platform.core.database import Database
from tests.fixtures.callers import Person
from tests.traces.factories import draft, new_trace_id, store
from tests.traces.test_api import ORDER, detail, listed, report


async def test_feedback_is_kept_and_its_mean_is_the_score_of_the_trace(owner: Person) -> None:
    (trace_id,) = (await report(owner, ORDER))["trace_ids"]
    (span,) = (await detail(owner, trace_id))["spans"]
    path = f"{owner.w}/traces/{trace_id}/feedback"
    words = {"dimension": "tone", "comment": "Too curt.", "corrected_output": "It is on its way!"}

    whole = await owner.client.post(path, json={"label": "negative", "source": "human", **words})
    part = await owner.client.post(path, json={"score": 0.5, "source": "code", "span_id": span["span_id"].upper()})

    assert (whole.status_code, whole.headers["location"]) == (201, path)
    given = whole.json()
    assert (given["score"], given["label"], given["span_id"], given["id"]) == (-1, "negative", None, given["feedback_id"])
    assert {name: given[name] for name in words} == words
    assert (given["source"], given["author_id"], given["trace_id"]) == ("human", str(owner.user_id), trace_id)
    assert (part.json()["label"], part.json()["span_id"]) == ("positive", span["span_id"])
    page = (await owner.client.get(path)).json()
    assert [each["id"] for each in page["results"]] == [part.json()["id"], given["id"]]
    trace = await detail(owner, trace_id)
    assert (trace["feedback_score"], trace["feedback_count"]) == (-0.25, 2)


async def test_feedback_survives_spans_that_arrive_later(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    await store(database, owner, [draft(trace_id, 1)])
    await owner.client.post(f"{owner.w}/traces/{trace_id}/feedback", json={"score": 1})

    await store(database, owner, [draft(trace_id, 2, 1)])

    trace = await detail(owner, trace_id)
    assert (trace["span_count"], trace["feedback_score"]) == (2, 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"score": 1, "label": "positive"}, 422),
        ({"score": 1.1}, 422),
        ({"score": "NaN"}, 422),
        ({"label": "great"}, 422),
        ({"score": 1, "source": "rumour"}, 422),
        ({"score": 1, "span_id": "x"}, 422),
        ({"score": 1, "colour": "red"}, 422),
        ({"score": 1, "span_id": "f" * 16}, 404),
    ],
)
async def test_feedback_that_makes_no_sense_is_refused(owner: Person, body: dict[str, Any], status: int) -> None:
    (trace_id,) = (await report(owner, ORDER))["trace_ids"]

    answer = await owner.client.post(f"{owner.w}/traces/{trace_id}/feedback", json=body)

    assert answer.status_code == status, answer.text
    assert (await listed(owner, has_feedback="true"))["pagination"]["total"] == 0
