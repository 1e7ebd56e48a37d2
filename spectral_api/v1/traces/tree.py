"""A trace and the trees of its spans as JSON.

They are written straight from the rows: to make a response class of each of a thousand spans first took most of the time. That
the result is what ``schemas.TraceDetail`` says, a test checks.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Row

from spectral_api.schemas import decimal_string, rfc3339
from spectral_api.v1.traces import schemas
from spectral_platform.traces.models import Trace
from spectral_platform.traces.rollup import MILLISECOND

DEEPEST = 64
"""Deeper spans are shown at the top again, so that no reader of JSON gives up on a chain of a thousand."""
Node = dict[str, Any]

_EVENTS = TypeAdapter(list[schemas.SpanEvent])
_LINKS = TypeAdapter(list[schemas.SpanLink])


def write(
    trace: Trace, question: str | None, answer: str | None, spans: Sequence[Row[Any]], pagination: schemas.SpanPagination
) -> bytes:
    """The body of a ``schemas.TraceDetail``."""
    shown = {name: getattr(trace, name) for name in schemas.TraceFields.model_fields}
    shown |= {"input": question, "output": answer, "spans": grow(spans), "spans_pagination": pagination.model_dump()}
    return orjson.dumps(shown, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    assert isinstance(value, Decimal)
    return decimal_string(value)


def _node(names: Sequence[str], row: Row[Any]) -> Node:
    node = dict(zip(names, row, strict=True))
    node["id"] = node["span_id"]
    node["duration_ms"] = (node.pop("ended_at") - node["started_at"]) // MILLISECOND
    # Stored without what is usual; few spans have any.
    node["events"] = node["events"] and _EVENTS.dump_python(_EVENTS.validate_python(node["events"]), mode="json")
    node["links"] = node["links"] and _LINKS.dump_python(_LINKS.validate_python(node["links"]), mode="json")
    node["children"] = []
    return node


def grow(rows: Sequence[Row[Any]]) -> list[Node]:
    """Put every span beneath its parent, in the order given; each is shown once, even if parents go round in circles."""
    names = rows[0]._fields if rows else ()
    spans = {node["span_id"]: node for node in (_node(names, row) for row in rows)}
    beneath: dict[str | None, list[Node]] = defaultdict(list)
    for span in spans.values():
        beneath[span["parent_span_id"]].append(span)
    top: list[Node] = []
    shown: set[str] = set()
    rootless = [span for span in spans.values() if span["parent_span_id"] not in spans]
    for root in [*rootless, *spans.values()]:
        if root["span_id"] in shown:
            continue
        top.append(root)
        shown.add(root["span_id"])
        climbing = [(root, 1)]
        while climbing:
            span, depth = climbing.pop()
            for child in beneath[span["span_id"]]:
                if child["span_id"] in shown:
                    continue
                shown.add(child["span_id"])
                (span["children"] if depth < DEEPEST else top).append(child)
                climbing.append((child, depth + 1 if depth < DEEPEST else 1))
    return top
