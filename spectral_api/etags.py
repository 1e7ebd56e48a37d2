"""Strong entity tags (RFC 9110, section 8.8): made of a fingerprint, compared with what the caller holds."""

from typing import Annotated

from fastapi import Header

IfMatch = Annotated[
    str | None, Header(description="Write only if the newest version has one of these entity tags; otherwise 412.")
]
IfNoneMatch = Annotated[
    str | None, Header(description="Answer 304 without a body if the current version has one of these entity tags.")
]


def etag(fingerprint: str) -> str:
    """The strong entity tag of a representation with this fingerprint."""
    return f'"{fingerprint}"'


def is_held(if_none_match: str | None, fingerprint: str) -> bool:
    """Whether the caller says that they hold the representation already (weak comparison, as for ``If-None-Match``)."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag(fingerprint) in tags


def expected_fingerprints(if_match: str | None) -> set[str] | None:
    """The fingerprints of which the current one must be one (strong comparison); None where anything will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip() for tag in if_match.split(","))
    return {tag[1:-1] for tag in tags if len(tag) > 2 and tag.startswith('"') and tag.endswith('"')}
