"""Entity tags of versioned things (RFC 9110, sections 8.8 and 13.1): told in every answer, and compared for the caller."""

import re
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Header, Request, Response

TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
IfMatch = Annotated[
    str | None, Header(description="Write only if the newest version has one of these entity tags; otherwise 412.")
]
IfNoneMatch = Annotated[
    str | None, Header(description="Answer 304 without a body if the current version has one of these entity tags.")
]


class Fingerprinted(Protocol):
    """Something whose content has a fingerprint."""

    @property
    def fingerprint(self) -> str:
        """Another one whenever the content is another."""
        ...


T = TypeVar("T", bound=Fingerprinted)


def etag(fingerprint: str) -> str:
    """The strong entity tag of a representation with this fingerprint."""
    return f'"{fingerprint}"'


def listed(request: Request, header: str) -> list[tuple[bool, str]] | None:
    """The tags in a header, each with whether it is weak; None where the header is absent or means any version."""
    lines = request.headers.getlist(header)
    if not lines or any(line.strip() == "*" for line in lines):
        return None
    return [(bool(weak), fingerprint) for line in lines for weak, fingerprint in TAG.findall(line)]


class Reading:
    """A request for a versioned thing: ``show`` tags the answer, or leaves it out where the caller holds that version."""

    def __init__(self, request: Request, response: Response, if_none_match: IfNoneMatch = None) -> None:
        self._request = request
        self._response = response

    @property
    def held(self) -> set[str]:
        """The fingerprints of the versions that the caller names."""
        return {fingerprint for _, fingerprint in listed(self._request, "If-None-Match") or ()}

    def show(self, found: T) -> T | Response:
        """What was found with its tag, or a 304. The comparison is weak, as the RFC says for ``If-None-Match``."""
        self._response.headers["ETag"] = etag(found.fingerprint)
        means_any = listed(self._request, "If-None-Match") is None and "If-None-Match" in self._request.headers
        if means_any or found.fingerprint in self.held:
            return Response(status_code=304, headers={"ETag": etag(found.fingerprint)})
        return found


class Writing:
    """A request that writes a versioned thing: ``expected`` guards the write, ``show`` tags what came of it."""

    def __init__(self, request: Request, response: Response, if_match: IfMatch = None) -> None:
        self._request = request
        self._response = response

    @property
    def expected(self) -> set[str] | None:
        """The fingerprints of which the newest version must have one; None where any will do.

        The comparison is strong, as the RFC says for ``If-Match``: a weak tag equals none.
        """
        tags = listed(self._request, "If-Match")
        return None if tags is None else {fingerprint for is_weak, fingerprint in tags if not is_weak}

    def show(self, written: T) -> T:
        """What was written, with its tag."""
        self._response.headers["ETag"] = etag(written.fingerprint)
        return written


ConditionalRead = Annotated[Reading, Depends(Reading)]
ConditionalWrite = Annotated[Writing, Depends(Writing)]
