"""What is counted of ingestion, and in which periods."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from spectral_platform.traces.spans import Rejection, SpanDraft

PERIOD = timedelta(minutes=5)
MOST_SERVICES = 20
OTHER_SERVICES = "(other)"
NO_SERVICE = "(none)"
MOST_SENDERS = 100
OTHER_SENDERS = "(other)"
UNKNOWN_SENDER = "(unknown)"
SEPARATOR = "\x1f"
"""Between the reason and the sender, which are one label of refused spans."""
LONGEST_SAMPLE = 300
"""Of refused spans so much is kept; they are masked before, because of half a secret nobody knows that it is one."""
KEPT_FINE = timedelta(days=2)
KEPT_BY_HOUR = timedelta(days=60)
"""How long counts stay as they are, and how long by the hour; then they are by the day."""


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


def beginning_of(window: timedelta, now: datetime) -> datetime:
    """Where a window begins: with the period that it begins in, as long as that is by now."""
    begins = period_of(now - window)
    if window > KEPT_FINE:
        begins = begins.replace(minute=0)
    return begins.replace(hour=0) if window > KEPT_BY_HOUR else begins


class Senders:
    """The senders of refused spans, by workspace: of a day only the first hundred that this process hears of have a name of their
    own, so that one that makes up names cannot make rows without end.
    """

    def __init__(self) -> None:
        self._day: date | None = None
        self._known: dict[UUID, set[str]] = {}

    def name(self, workspace_id: UUID, sender: str, today: date) -> str:
        """What a sender is counted as."""
        if today != self._day:
            self._day, self._known = today, {}
        known = self._known.setdefault(workspace_id, set())
        if sender not in known and len(known) >= MOST_SENDERS:
            return OTHER_SENDERS
        known.add(sender)
        return sender


SENDERS = Senders()


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
    samples = {_reason(rejection): rejection.sample[:LONGEST_SAMPLE] for rejection in rejections}
    refused = Counter(_reason(rejection) for rejection in rejections)
    return counts + [Count(Measure.REJECTED, reason, count, samples[reason]) for reason, count in refused.items()]


def reason_and_sender(label: str) -> tuple[str, str]:
    """What a label of refused spans holds; those of earlier versions name no sender."""
    reason, _, sender = label.partition(SEPARATOR)
    return reason, sender or UNKNOWN_SENDER


def _reason(rejection: Rejection) -> str:
    return f"{rejection.reason}{SEPARATOR}{rejection.sender}" if rejection.sender else rejection.reason


def _labelled(measure: Measure, counter: Counter[str]) -> Iterable[Count]:
    return (Count(measure, label, count) for label, count in counter.items())


def _few(services: Counter[str]) -> Counter[str]:
    """The busiest services, so that a sender that makes up names cannot make rows without end."""
    few = Counter(dict(services.most_common(MOST_SERVICES)))
    rest = services.total() - few.total()
    return few + Counter({OTHER_SERVICES: rest}) if rest else few
