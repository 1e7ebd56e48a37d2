"""Masking of everything that arrives, in the one place that every way in goes through.

All that a sender writes is masked, names and keys of attributes too: what is found is stored nowhere. Only what has a form of its
own is left alone, such as ids, times and numbers of tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectral_platform.traces.spans import TEXTS, Rejection, SpanDraft
from spectral_platform.workspaces.policies.masking import Masker

FORMED = frozenset({"at", "trace_id", "span_id", "start_time_unix_nano", "end_time_unix_nano"})
"""What is no text in an event, a link or what OTLP says beyond."""


def mask_spans(masker: Masker, drafts: Sequence[SpanDraft]) -> None:
    """Take out of spans what the workspace does not want stored."""
    shared: dict[int, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}

    def mask_shared(part: Mapping[str, Any]) -> Mapping[str, Any]:
        # Spans of one sender share a resource and a scope; the original is kept, so that no other part can get its identity.
        if id(part) not in shared:
            shared[id(part)] = part, part if masker.leaves([part]) else masker.mapping(part)
        return shared[id(part)][1]

    for draft in drafts:
        if draft.is_masked:  # a transaction that is tried again; a rule may find something in what stands there instead
            continue
        draft.resource = mask_shared(draft.resource)
        draft.scope = mask_shared(draft.scope)
        if not masker.leaves(_written(draft)):
            _mask(masker, draft)
        draft.is_masked = True


def mask_rejections(masker: Masker, rejections: Sequence[Rejection]) -> list[Rejection]:
    """The same for what is kept of refused spans."""
    return [
        Rejection(reason=each.reason, sample=masker.text(each.sample), sender=masker.text(each.sender)) for each in rejections
    ]


def _written(draft: SpanDraft) -> Iterator[Any]:
    """Everything that the sender wrote into a span."""
    yield draft.attributes
    for name in TEXTS:
        text = getattr(draft, name)
        if text is not None:
            yield text
    yield draft.tags
    for part in (draft.otlp, *draft.events, *draft.links):
        for name, value in part.items():
            if name not in FORMED:
                yield value


def _mask(masker: Masker, draft: SpanDraft) -> None:
    for name in TEXTS:
        setattr(draft, name, masker.optional(getattr(draft, name)))
    draft.tags = tuple(dict.fromkeys(masker.text(tag) for tag in draft.tags))
    draft.attributes = masker.mapping(draft.attributes)
    draft.otlp = _mask_part(masker, draft.otlp)
    draft.events = [_mask_part(masker, event) for event in draft.events]
    draft.links = [_mask_part(masker, link) for link in draft.links]


def _mask_part(masker: Masker, part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if name in FORMED else masker.value(value) for name, value in part.items()}
