"""Gate G8: whether the effect holds by people's word too, where they have labelled enough pairs of answers."""

from collections.abc import Sequence

from pydantic import JsonValue

from spectral_platform.core.values import Value
from spectral_platform.scans.verdicts.bounding import Strictness
from spectral_platform.scans.verdicts.verdict import Gate, GateResult
from spectral_platform.statistics.ppi import FEWEST_PAIRS, labels_needed, powered_mean

FEWEST_LABELS = 30


class LabelledPairs(Value):
    """By how much the composite changes on labelled pairs by people's and by the judge's word, and how likely each was chosen."""

    human: tuple[float, ...]
    judged: tuple[float, ...]
    inclusion: tuple[float, ...]


def human_check(
    labelled: LabelledPairs | None, holdout: Sequence[float], strictness: Strictness
) -> tuple[tuple[GateResult, ...], JsonValue]:
    """The gate's result and its figures; without labels there is neither.

    The ``holdout``'s differences are what only the judge has seen; the labelled ones say how far it is off.
    """
    if labelled is None or len(holdout) < FEWEST_PAIRS:
        return (), None
    found = powered_mean(labelled.human, labelled.judged, holdout, alpha=strictness.harm_alpha, inclusion=labelled.inclusion)
    result = GateResult(
        gate=Gate.HUMAN_CHECK,
        name="human_lower_bound",
        value=found.lower,
        threshold=0.0,
        passed=found.lower > 0,
        harm=False,
        detail=(
            f"Corrected by people's labels of {found.labelled} pairs the composite changes by {found.estimate:+.3f}, with "
            f"{1 - strictness.harm_alpha:.2%} confidence by more than {found.lower:+.3f}; it must be above 0."
        ),
    )
    wanted = None if result.passed else labels_needed(found, alpha=strictness.harm_alpha)
    return (result,), {**found.model_dump(), "labels_needed": wanted}
