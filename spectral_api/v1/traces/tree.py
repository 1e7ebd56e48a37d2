"""Spans as trees."""

from collections import defaultdict
from collections.abc import Sequence

from spectral_api.v1.traces import schemas
from spectral_platform.traces.models import Span

DEEPEST = 64
"""Deeper spans are shown at the top again, so that no reader of JSON gives up on a chain of a thousand."""


def grow(rows: Sequence[Span]) -> list[schemas.Span]:
    """Put every span beneath its parent, in the order given; each is shown once, even if parents go round in circles."""
    fields = schemas.SpanFields.model_fields
    spans = {row.span_id: schemas.Span(**{name: getattr(row, name) for name in fields}, children=[]) for row in rows}
    beneath: dict[str | None, list[schemas.Span]] = defaultdict(list)
    for span in spans.values():
        beneath[span.parent_span_id].append(span)
    top: list[schemas.Span] = []
    shown: set[str] = set()
    rootless = [span for span in spans.values() if span.parent_span_id not in spans]
    for root in [*rootless, *spans.values()]:
        if root.span_id in shown:
            continue
        top.append(root)
        shown.add(root.span_id)
        climbing = [(root, 1)]
        while climbing:
            span, depth = climbing.pop()
            for child in beneath[span.span_id]:
                if child.span_id in shown:
                    continue
                shown.add(child.span_id)
                (span.children if depth < DEEPEST else top).append(child)
                climbing.append((child, depth + 1 if depth < DEEPEST else 1))
    return top
