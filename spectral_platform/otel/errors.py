"""What can be wrong with an OTLP request as a whole, and with one of its spans."""

from spectral_platform.core.errors import BusinessRuleViolationError, UnsupportedMediaTypeError


class UnsupportedEncoding(UnsupportedMediaTypeError):
    """The body comes in a media type or a compression that OTLP/HTTP does not have.

    Its message quotes nothing of the request: refusals are counted by it, and it is masked nowhere.
    """


class MalformedBody(BusinessRuleViolationError):
    """The body is not what its headers say it is."""

    slug = "bad-request"
    title = "Bad Request"


class RefusedSpan(Exception):
    """One span cannot be stored, for the reason given; it becomes a rejection and the others of its request live on."""
