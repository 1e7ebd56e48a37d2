"""When runs are due, by tables: daylight saving, ends of months, quiet hours, and expressions that are none."""

from datetime import UTC, datetime, time, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from spectral_platform.scans.schedules.timing import MACROS, Cron, QuietHours, Weekday, Zone, latest_due, list_due, next_due

BERLIN, NEW_YORK, SYDNEY = "Europe/Berlin", "America/New_York", "Australia/Sydney"
ZONES = [BERLIN, NEW_YORK, SYDNEY, "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo", "UTC"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            BERLIN,
            "2026-03-28T12:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
            id="a fixed time that the clock skips comes right after the gap",
        ),
        pytest.param(
            "0,30 2 * * *",
            BERLIN,
            "2026-03-28T12:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"],
            id="two times in the gap come once",
        ),
        pytest.param(
            "30 2 * * *",
            BERLIN,
            "2026-10-24T12:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
            id="a fixed time that comes twice counts the first time",
        ),
        pytest.param(
            "45 2 * * *",
            BERLIN,
            "2026-10-25T02:30+01:00",
            ["2026-10-26T02:45+01:00"],
            id="asked in the second of the two hours, the first is over",
        ),
        pytest.param(
            "*/30 * * * *",
            BERLIN,
            "2026-10-25T02:10+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00", "2026-10-25T03:00+01:00"],
            id="every half hour follows real time through both hours",
        ),
        pytest.param(
            "*/30 * * * *",
            BERLIN,
            "2026-03-29T01:10+01:00",
            ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00"],
            id="every half hour has no hole at the gap",
        ),
        pytest.param(
            "30 1 * * *",
            NEW_YORK,
            "2026-10-31T12:00-04:00",
            ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
            id="the overlap in New York",
        ),
        pytest.param(
            "15 2 * * *", SYDNEY, "2026-10-03T12:00+10:00", ["2026-10-04T03:00+11:00"], id="the gap in the southern spring"
        ),
        pytest.param(
            "0 0 * * *",
            "America/Santiago",
            "2026-09-05T12:00-04:00",
            ["2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"],
            id="a midnight that is not there",
        ),
        pytest.param(
            "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00+10:30", ["2026-10-04T02:30+11:00"], id="a gap of half an hour"
        ),
        pytest.param("0 9 * * *", BERLIN, "2026-03-28T09:00+01:00", ["2026-03-29T09:00+02:00"], id="23 hours later"),
        pytest.param(
            "0 0 L * *", "UTC", "2028-01-31T12:00Z", ["2028-02-29T00:00Z", "2028-03-31T00:00Z"], id="the last day, leap years too"
        ),
        pytest.param("0 12 LW * *", "UTC", "2026-01-31T12:00Z", ["2026-02-27T12:00Z"], id="the last weekday"),
        pytest.param("0 0 31 * *", "UTC", "2026-03-31T00:00Z", ["2026-05-31T00:00Z"], id="months without a 31st are left out"),
        pytest.param("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"], id="leap days"),
        pytest.param("0 8 * * fri#2", "UTC", "2026-11-01T00:00Z", ["2026-11-13T08:00Z"], id="the second Friday"),
        pytest.param("0 8 * * 5L", "UTC", "2026-11-01T00:00Z", ["2026-11-27T08:00Z"], id="the last Friday"),
        pytest.param("0 0 13 * fri", "UTC", "2026-11-01T00:00Z", ["2026-11-06T00:00Z", "2026-11-13T00:00Z"], id="day or weekday"),
        pytest.param("@daily", "Asia/Kolkata", "2026-11-22T00:00Z", ["2026-11-22T18:30Z"], id="an abbreviation"),
        pytest.param("0 0 * * *", "UTC", "2026-11-22T00:00Z", ["2026-11-23T00:00Z"], id="never the moment itself"),
    ],
)
def test_times_are_due(cron: str, zone: str, after: str, expected: list[str]) -> None:
    found = list(islice(list_due(TypeAdapter(Cron).validate_python(cron), zone, after=at(after)), len(expected)))

    assert found == [at(each) for each in expected]
    assert {each.tzinfo for each in found} == {UTC}


@given(
    cron=st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 * * *", "15 */3 * * *", "0 1,2,3 L * *", *MACROS]),
    zone=st.sampled_from(ZONES),
    after=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2028, 1, 1), timezones=st.just(UTC)),
)
def test_times_rise_and_do_not_depend_on_where_one_begins(cron: str, zone: str, after: datetime) -> None:
    first, second, third = islice(list_due(cron, zone, after=after), 3)

    assert after < first < second < third
    assert next_due(cron, zone, after=first) == second
    for until in (second, second + (third - second) / 2):
        assert latest_due(cron, zone, first=first, until=until) == second
    assert latest_due(cron, zone, first=first, until=second - timedelta(microseconds=1)) == first


@pytest.mark.parametrize(
    ("cron", "first", "until", "latest"),
    [
        ("* * * * *", "2016-01-01T00:00Z", "2026-11-22T17:08:30Z", "2026-11-22T17:08Z"),
        ("0 2 * * *", "2026-11-01T02:00Z", "2026-11-22T17:08Z", "2026-11-22T02:00Z"),
        ("0 0 1 1 *", "2020-01-01T00:00Z", "2026-11-22T17:08Z", "2026-01-01T00:00Z"),
        ("0 0 29 2 *", "2016-02-29T00:00Z", "2026-11-22T17:08Z", "2024-02-29T00:00Z"),
        ("0 2 * * *", "2026-11-22T02:00Z", "2026-11-22T02:00Z", "2026-11-22T02:00Z"),
    ],
)
def test_the_latest_time_is_found_after_any_outage(cron: str, first: str, until: str, latest: str) -> None:
    assert latest_due(cron, "UTC", first=at(first), until=at(until)) == at(latest)


@pytest.mark.parametrize(
    "cron",
    [
        *["", "* * * *", "* * * * * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "a b c d e"],
        *["0 0 30 2 *", "0 0 31 4,6 *", "0 0 * 2 mon#5,", "*/0 * * * *", "5-1 * * * *", "@never", "@reboot", "0 0 * * fri#6"],
        *["0 0 */30 2 mon#5", "١ * * * *", f"{'0,' * 150}0 * * * *", "0 0 L-3 * *", "0\x000 * * *", "1e1 * * * *"],
    ],
)
def test_what_is_no_cron_expression_is_refused(cron: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Cron).validate_python(cron)


@pytest.mark.parametrize(
    "zone", ["", "Berlin", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "UTC\x00", "europe/berlin!"]
)
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Zone).validate_python(zone)


NIGHT = QuietHours(start="22:00", end="06:30")
WEEKEND_NIGHTS = QuietHours(start="22:00", end="06:00", days=(Weekday.FRIDAY, Weekday.SATURDAY))


@pytest.mark.parametrize(
    ("hours", "zone", "moment", "released"),
    [
        pytest.param(NIGHT, "UTC", "2026-11-22T21:59:59Z", "2026-11-22T21:59:59Z", id="just before"),
        pytest.param(NIGHT, "UTC", "2026-11-22T22:00Z", "2026-11-23T06:30Z", id="from the first minute on"),
        pytest.param(NIGHT, "UTC", "2026-11-23T03:10:20Z", "2026-11-23T06:30Z", id="past midnight"),
        pytest.param(NIGHT, "UTC", "2026-11-23T06:30Z", "2026-11-23T06:30Z", id="the end is not quiet"),
        pytest.param(NIGHT, NEW_YORK, "2026-11-23T04:00Z", "2026-11-23T11:30Z", id="by the zone's own clock"),
        pytest.param(QuietHours(start="09:00", end="17:00"), "UTC", "2026-11-23T12:00Z", "2026-11-23T17:00Z", id="by day"),
        pytest.param(WEEKEND_NIGHTS, "UTC", "2026-11-22T02:00Z", "2026-11-22T06:00Z", id="the night that began on Saturday"),
        pytest.param(WEEKEND_NIGHTS, "UTC", "2026-11-22T23:00Z", "2026-11-22T23:00Z", id="not the night of Sunday"),
        pytest.param(WEEKEND_NIGHTS, "UTC", "2026-11-20T02:00Z", "2026-11-20T02:00Z", id="not the one that began on Thursday"),
        pytest.param(NIGHT, BERLIN, "2026-03-28T23:00+01:00", "2026-03-29T06:30+02:00", id="a night of 23 hours"),
        pytest.param(NIGHT, BERLIN, "2026-10-24T23:00+02:00", "2026-10-25T06:30+01:00", id="a night of 25 hours"),
        pytest.param(
            QuietHours(start="01:00", end="02:30"),
            BERLIN,
            "2026-03-29T01:15+01:00",
            "2026-03-29T03:00+02:00",
            id="an end in the gap",
        ),
        pytest.param(
            QuietHours(start="02:15", end="02:45"), BERLIN, "2026-10-25T02:20+02:00", "2026-10-25T02:45+02:00", id="an end twice"
        ),
        pytest.param(
            QuietHours(start="02:15", end="02:45"),
            BERLIN,
            "2026-10-25T02:20+01:00",
            "2026-10-25T02:45+01:00",
            id="its second time",
        ),
    ],
)
def test_quiet_hours_end(hours: QuietHours, zone: str, moment: str, released: str) -> None:
    assert hours.release(at(moment), zone) == at(released)


@given(
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_released_is_never_quiet_and_never_a_day_away(start: time, end: time, zone: str, moment: datetime) -> None:
    if start.strftime("%H:%M") == end.strftime("%H:%M"):
        return
    hours = QuietHours(start=start.strftime("%H:%M"), end=end.strftime("%H:%M"))

    released = hours.release(moment, zone)

    assert not hours.hold(released, zone)
    assert moment <= released <= moment + timedelta(hours=25)
    assert (released == moment) == (not hours.hold(moment, zone))


@pytest.mark.parametrize(
    "hours",
    [
        {"start": "22:00", "end": "22:00"},
        {"start": "24:00", "end": "06:00"},
        {"start": "6:00", "end": "07:00"},
        {"start": "22:00"},
    ]
    + [{"start": "22:00", "end": "06:00", "days": days} for days in ([], ["monday"], ["mon"] * 8)],
)
def test_hours_that_make_no_sense_are_refused(hours: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QuietHours.model_validate(hours)
