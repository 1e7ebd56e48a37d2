"""The life of a scan, as the full product of its states."""

from itertools import product

import pytest

from spectral_platform.scans.states import SCAN, ScanStatus

ALLOWED = {
    (ScanStatus.SCHEDULED, ScanStatus.RUNNING),
    (ScanStatus.SCHEDULED, ScanStatus.CANCELLED),
    (ScanStatus.RUNNING, ScanStatus.COMPLETED),
    (ScanStatus.RUNNING, ScanStatus.FAILED),
    (ScanStatus.RUNNING, ScanStatus.CANCELLING),
    (ScanStatus.CANCELLING, ScanStatus.CANCELLED),
}


@pytest.mark.parametrize(("current", "to"), list(product(ScanStatus, ScanStatus)))
def test_exactly_the_published_moves_are_allowed(current: ScanStatus, to: ScanStatus) -> None:
    assert SCAN.allows(current, to) is ((current, to) in ALLOWED)


def test_a_scan_ends_completed_failed_or_cancelled() -> None:
    assert SCAN.terminal == {ScanStatus.COMPLETED, ScanStatus.FAILED, ScanStatus.CANCELLED}
