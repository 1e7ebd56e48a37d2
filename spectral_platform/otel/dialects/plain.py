"""Plain spans of an OpenTelemetry SDK, with Spectral's own few attributes; the fallback of every other dialect."""

from spectral_platform.otel.dialects.conversation import written
from spectral_platform.otel.dialects.dialect import Attributes, Content, Dialect, Events
from spectral_platform.traces.spans import SpanKind

FIELDS = (
    ("spectral.config.version", "config_version"),
    ("spectral.tags", "tags"),
    ("enduser.id", "user_id"),
    ("agent_name", "agent_name"),
)


def _kind(attributes: Attributes) -> SpanKind | None:
    return None


def _content(attributes: Attributes, events: Events) -> Content:
    return written(attributes.get("input")), written(attributes.get("output"))


PLAIN = Dialect(name="plain", fields=FIELDS, vocabulary=frozenset(), kind=_kind, content=_content)
