"""Families of errors: what kind of thing went wrong, in terms every room shares and no protocol knows.

Rooms subclass a family in their own ``errors.py``. A subclass's docstring is its title, its constructor takes facts and builds
``detail``, and ``extensions`` keeps the facts that a program may want. The family decides what a caller may do about it: the HTTP
layer maps it to a status, and a job is retried on ``UnavailableError`` only.
"""

from typing import Any, ClassVar


class SpectralError(Exception):
    """The root of all named errors; only families and their subclasses can be raised."""

    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, **extensions: Any) -> None:
        if not hasattr(type(self), "slug"):
            raise TypeError(f"{type(self).__name__} is not a family of errors: raise one of its subclasses")
        super().__init__(detail)
        self.detail = detail
        self.extensions = extensions


class NotFoundError(SpectralError):
    """The thing does not exist, or belongs to somebody else: both look alike."""

    slug = "not-found"
    title = "Resource Not Found"


class InvalidTransitionError(SpectralError):
    """The thing is not in a state from which this move is allowed."""

    slug = "invalid-transition"
    title = "Invalid Transition"

    def __init__(self, subject: str, current: str, requested: str) -> None:
        super().__init__(f"{subject} is {current} and cannot become {requested}.", current=current, requested=requested)


class BusinessRuleViolationError(SpectralError):
    """The request is well formed and breaks a rule of the product."""

    slug = "business-rule-violation"
    title = "Business Rule Violation"


class AuthenticationError(SpectralError):
    """It is not known who is asking."""

    slug = "unauthenticated"
    title = "Not Authenticated"


class ForbiddenError(SpectralError):
    """It is known who is asking, and the answer is no."""

    slug = "missing-scope"
    title = "Missing Scope"


class VersionConflictError(SpectralError):
    """The thing has changed since the caller read it."""

    slug = "version-conflict"
    title = "Version Conflict"


class InProgressError(SpectralError):
    """The same request is being carried out already."""

    slug = "request-in-progress"
    title = "Request in Progress"


class KeyReusedError(SpectralError):
    """The key that should name one request named another before."""

    slug = "idempotency-key-reused"
    title = "Idempotency Key Reused"


class PayloadTooLargeError(SpectralError):
    """The body is larger than the server takes."""

    slug = "payload-too-large"
    title = "Payload Too Large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes} bytes.", limit_bytes=limit_bytes)


class UnsupportedMediaTypeError(SpectralError):
    """The body comes in a form that this route does not read."""

    slug = "unsupported-media-type"
    title = "Unsupported Media Type"


class RateLimitedError(SpectralError):
    """Too many requests; try again later."""

    slug = "rate-limited"
    title = "Rate Limited"


class UnavailableError(SpectralError):
    """Something that Spectral needs does not answer now; the same request may succeed later."""

    slug = "unavailable"
    title = "Service Unavailable"
