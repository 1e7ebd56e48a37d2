"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from spectral_platform.webhooks.retrying import JITTER, WAITS, next_try

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("tries", range(1, len(WAITS) + 1))
def test_waits_follow_the_schedule_with_a_little_chance(tries: int) -> None:
    waits = [next_try(tries, NOW, None) for _ in range(50)]

    assert all(each is not None and WAITS[tries - 1] <= each - NOW <= WAITS[tries - 1] * (1 + JITTER) for each in waits)
    assert len(set(waits)) > 1


def test_the_schedule_spans_days_and_ends() -> None:
    assert sum(WAITS, timedelta()) > timedelta(days=3)
    assert next_try(len(WAITS) + 1, NOW, "60") is None


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("3600", timedelta(hours=1)),
        (format_datetime(NOW + timedelta(hours=2), usegmt=True), timedelta(hours=2)),
        ("999999999999999999999", timedelta(days=1)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(days=1)),
    ],
)
def test_a_receiver_may_ask_for_more_time_up_to_a_day(asked: str, wait: timedelta) -> None:
    assert next_try(1, NOW, asked) == NOW + wait


NONSENSE = ("soon", "", "1.5", "²", "Fri, 99 Dec 9999", f"Mon, {'9' * 30} Nov 2026 10:00:00 GMT")


@pytest.mark.parametrize("asked", ["1", "0", "-5", "Mon, 01 Jan 2024 00:00:00 GMT", *NONSENSE])
def test_what_asks_for_less_or_makes_no_sense_changes_nothing(asked: str) -> None:
    moment = next_try(1, NOW, asked)

    assert moment is not None
    assert WAITS[0] <= moment - NOW <= WAITS[0] * (1 + JITTER)
