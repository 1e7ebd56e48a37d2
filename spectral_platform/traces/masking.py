"""Masking of everything that arrives, in the one place that every way in goes through."""

from collections.abc import Sequence
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
        draft.events = [_mask_named(masker, event) for event in draft.events]
        draft.links = [_mask_named(masker, link) for link in draft.links]
    resources = {id(draft.resource): draft.resource for draft in drafts}  # spans of one sender share theirs
    masked = {identity: masker.mapping(resource) for identity, resource in resources.items()}
    for draft in drafts:
        draft.resource = masked[id(draft.resource)]


def mask_rejections(masker: Masker, rejections: Sequence[Rejection]) -> list[Rejection]:
    """The same for what is kept of refused spans."""
    return [Rejection(reason=each.reason, sample=masker.text(each.sample)) for each in rejections]


def _mask_named(masker: Masker, part: Any) -> dict[str, Any]:
    """An event or a link: ids and times stay, its name and attributes are the sender's."""
    masked = {**part, "attributes": masker.mapping(part["attributes"])}
    return masked | {"name": masker.text(part["name"])} if "name" in part else masked
