"""Masking of everything that arrives, in the one place that every way in goes through."""

from collections.abc import Mapping, Sequence
from typing import Any

from spectral_platform.traces.spans import Rejection, SpanDraft
from spectral_platform.workspaces.policies.masking import Masker

TEXTS = ("name", "status_message", "input", "output", "session_id", "user_id")
"""The texts of a span that hold what people wrote. Names of agents, models and services are what things are known by."""


def mask_spans(masker: Masker, drafts: Sequence[SpanDraft]) -> None:
    """Take out of spans what the workspace does not want stored."""
    for draft in drafts:
        for name in TEXTS:
            setattr(draft, name, masker.optional(getattr(draft, name)))
        draft.tags = tuple(masker.text(tag) for tag in draft.tags)
        draft.attributes = masker.mapping(draft.attributes)
        draft.events = [_mask_part(masker, event) for event in draft.events]
        draft.links = [_mask_part(masker, link) for link in draft.links]
        draft.otlp = _mask_part(masker, draft.otlp)
    # Spans of one sender share these.
    resources = {id(draft.resource): draft.resource for draft in drafts}
    scopes = {id(draft.scope): draft.scope for draft in drafts}
    masked_resources = {identity: masker.mapping(resource) for identity, resource in resources.items()}
    masked_scopes = {identity: _mask_part(masker, scope) for identity, scope in scopes.items()}
    for draft in drafts:
        draft.resource = masked_resources[id(draft.resource)]
        draft.scope = masked_scopes[id(draft.scope)]


def mask_rejections(masker: Masker, rejections: Sequence[Rejection]) -> list[Rejection]:
    """The same for what is kept of refused spans."""
    return [Rejection(reason=each.reason, sample=masker.text(each.sample)) for each in rejections]


def _mask_part(masker: Masker, part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What OTLP says of an event, a link, a scope or a span: ids, times and counts stay, the texts are the sender's."""
    masked: dict[str, Any] = {name: masker.text(part[name]) for name in ("name", "trace_state") if name in part}
    if "attributes" in part:
        masked["attributes"] = masker.mapping(part["attributes"])
    return {**part, **masked} if masked else part
