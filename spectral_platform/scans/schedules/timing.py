"""When runs are due: cron expressions in a time zone, and the quiet hours that hold runs back.

Daylight saving follows Debian's cron (cron(8)), as cronsim implements it: a job at a fixed time that the clock skips runs right
after the gap, one at a time that comes twice runs the first time only, and jobs whose minute or hour is ``*`` follow real time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from itertools import takewhile
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from spectral_platform.core.values import Value

FIELDS = 5
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
EVER = datetime(2026, 1, 1, tzinfo=UTC)
WIDENING = (timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=40), timedelta(days=1500))
MINUTE, DAY, MINUTES_OF_DAY = timedelta(minutes=1), timedelta(days=1), 24 * 60


def _check_cron(expression: str) -> str:
    if expression.startswith("@"):
        if expression not in MACROS:
            raise ValueError(f"unknown abbreviation; known are {', '.join(MACROS)}")
        return expression
    if len(expression.split()) != FIELDS:
        raise ValueError("a cron expression has five fields: minute, hour, day of month, month, day of week")
    try:
        first = next(CronSim(expression, EVER), None)
    except CronSimError as error:
        raise ValueError(f"not a cron expression: {error}") from error
    if first is None:
        raise ValueError("this time never comes")
    return expression


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _check_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("not a time zone of the IANA database, such as Europe/Berlin")
    return name


Cron = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_check_cron)]
"""A cron expression of five fields, or an abbreviation such as ``@daily``."""
Zone = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_check_zone)]
"""A time zone by its name in the IANA database."""
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""Hours and minutes of a wall clock."""


def list_due(cron: str, zone: str, *, after: datetime) -> Iterator[datetime]:
    """The times after a moment at which a run is due, in UTC and in order."""
    for due in CronSim(MACROS.get(cron, cron), after.astimezone(ZoneInfo(zone))):
        moment = due.astimezone(UTC)
        if moment > after:  # in the hour that comes twice the library may go back to its first time
            yield moment
            after = moment


def next_due(cron: str, zone: str, *, after: datetime) -> datetime | None:
    """The first time after a moment at which a run is due; None if there is none within fifty years."""
    return next(list_due(cron, zone, after=after), None)


def latest_due(cron: str, zone: str, *, first: datetime, until: datetime) -> datetime:
    """The last time up to ``until`` at which a run was due, where ``first`` was one.

    It looks back ever further instead of counting from the first: there may have been a million since.
    """
    for span in WIDENING:
        start = max(first, until - span)
        for latest in reversed(list(takewhile(lambda due: due <= until, list_due(cron, zone, after=start)))):
            return latest
        if start == first:
            break
    return first


class Weekday(StrEnum):
    """Days of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


DAYS = tuple(Weekday)


class QuietHours(Value):
    """Hours in which no run starts by the clock; one that falls in them waits until they end."""

    start: TimeOfDay = Field(description="From this time of day on, in the schedule's time zone.", examples=["22:00"])
    end: TimeOfDay = Field(description="Until this time of day; before `start` = on the next day.", examples=["06:30"])
    days: tuple[Weekday, ...] | None = Field(
        default=None, min_length=1, max_length=7, description="Days on which they begin; absent = every day."
    )

    @model_validator(mode="after")
    def end_some_time(self) -> "QuietHours":
        """Refuse hours that never end, and those that never begin."""
        if self.start == self.end:
            raise ValueError("start and end are the same time")
        return self

    def hold(self, moment: datetime, zone: str) -> bool:
        """Whether it is quiet at a moment, by the wall clock of the zone."""
        local = moment.astimezone(ZoneInfo(zone))
        start, end, now = time.fromisoformat(self.start), time.fromisoformat(self.end), local.time()
        if start < end:
            return start <= now < end and self._begin_on(local.weekday())
        return (now >= start and self._begin_on(local.weekday())) or (now < end and self._begin_on(local.weekday() - 1))

    def release(self, moment: datetime, zone: str) -> datetime:
        """The first full minute from a moment on at which it is not quiet; the moment itself if it is not quiet then.

        Where the clock is changed meanwhile it is walked rather than reckoned with, so that an end that it skips or shows twice
        needs no rule.
        """
        if not self.hold(moment, zone):
            return moment
        moment = moment.astimezone(UTC).replace(second=0, microsecond=0)
        local, later = (each.astimezone(ZoneInfo(zone)) for each in (moment, moment + DAY))
        if local.utcoffset() == later.utcoffset():
            end = time.fromisoformat(self.end)
            return moment + timedelta(minutes=(60 * (end.hour - local.hour) + end.minute - local.minute) % MINUTES_OF_DAY)
        while self.hold(moment, zone):
            moment += MINUTE
        return moment

    def _begin_on(self, weekday: int) -> bool:
        return self.days is None or DAYS[weekday] in self.days
