"""What is counted of ingestion, and in which periods."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from spectral_platform.traces.spans import Rejection, SpanDraft

PERIOD = timedelta(minutes=5)
MOST_SERVICES = 20
OTHER_SERVICES = "(other)"
NO_SERVICE = "(none)"


class Measure(StrEnum):
    """One thing that is counted; those of services, dialects and rejections are counted by label."""

    RECEIVED = "received"
    STORED = "stored"
    DUPLICATE = "duplicate"
    ERASED = "erased"
    REJECTED = "rejected"
    BYTES = "bytes"
    SERVICE = "service"
    DIALECT = "dialect"
    TRACE = "trace"


@dataclass(frozen=True, slots=True)
class Count:
    """So many of one measure and label; ``sample`` shows a rejected span."""

    measure: Measure
    label: str
    count: int
    sample: str | None = None


def period_of(moment: datetime) -> datetime:
    """The start of the period that a moment lies in."""
    seconds = PERIOD.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def tally(
    drafts: Sequence[SpanDraft],
    rejections: Sequence[Rejection],
    *,
    stored: int,
    traces: int,
    erased: int = 0,
    size_bytes: int,
) -> list[Count]:
    """What one request adds to the counters; ``stored`` spans and ``traces`` were new, ``erased`` spans were of erased traces."""
    plain = {
        Measure.RECEIVED: len(drafts) + len(rejections),
        Measure.STORED: stored,
        Measure.DUPLICATE: len(drafts) - stored - erased,
        Measure.ERASED: erased,
        Measure.TRACE: traces,
        Measure.BYTES: size_bytes,
    }
    counts = [Count(measure, "", count) for measure, count in plain.items() if count]
    counts += _labelled(Measure.SERVICE, _few(Counter(draft.service or NO_SERVICE for draft in drafts)))
    counts += _labelled(Measure.DIALECT, Counter(draft.dialect for draft in drafts))
    samples = {rejection.reason: rejection.sample for rejection in rejections}
    refused = Counter(rejection.reason for rejection in rejections)
    return counts + [Count(Measure.REJECTED, reason, count, samples[reason]) for reason, count in refused.items()]


def _labelled(measure: Measure, counter: Counter[str]) -> Iterable[Count]:
    return (Count(measure, label, count) for label, count in counter.items())


def _few(services: Counter[str]) -> Counter[str]:
    """The busiest services, so that a sender that makes up names cannot make rows without end."""
    few = Counter(dict(services.most_common(MOST_SERVICES)))
    rest = services.total() - few.total()
    return few + Counter({OTHER_SERVICES: rest}) if rest else few
