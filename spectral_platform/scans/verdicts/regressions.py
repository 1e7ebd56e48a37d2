"""The gates against losses that a mean hides: single dimensions, single cases and groups of cases.

What must not be seen to get worse passes where no harm is seen at ``HARM_ALPHA``; it is called harm at the look's own level, and
where it is harm even if whatever the candidate leaves open speaks for it.
"""

from spectral_platform.scans.changes import MUST_PASS
from spectral_platform.scans.pairing import SEVERE_LOSS, Pairs
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.verdicts.bounding import HARM_ALPHA, Strictness, bound
from spectral_platform.scans.verdicts.verdict import Gate, GateResult
from spectral_platform.statistics.bounds import clopper_pearson_lower, clopper_pearson_upper, fall_p_value, gaffke_upper_bound
from spectral_platform.statistics.multiplicity import holm

PROTECTED_TOLERANCE = 0.10
MOST_SEVERE = 0.10
LEAST_SLICE = 20


def dimension_gates(pairs: Pairs, standard: Standard, strictness: Strictness) -> list[GateResult]:
    """Gate G3: no dimension of the rubric gets worse; one with a minimum must also be shown to hold."""
    results = []
    for dimension in standard.dimensions:
        differences = pairs.dimensions.get(dimension.key)
        if not differences:
            continue
        bounds = bound(differences, pairs.at_best.dimensions[dimension.key], strictness)
        cautious = gaffke_upper_bound(differences, HARM_ALPHA)
        is_protected = dimension.minimum is not None
        results.append(
            GateResult(
                gate=Gate.DIMENSIONS,
                name=f"dimension:{dimension.key}",
                value=bounds.lower if is_protected else cautious,
                threshold=-PROTECTED_TOLERANCE if is_protected else 0.0,
                passed=cautious >= 0 and (not is_protected or bounds.lower > -PROTECTED_TOLERANCE),
                harm=bounds.upper < 0,
                detail=(
                    f"{dimension.name} changes by {bounds.mean:+.3f} on {bounds.n} pairs, between {bounds.lower:+.3f} and "
                    f"{bounds.upper:+.3f}"
                    + (
                        f"; it has a minimum, so it may not lose more than {PROTECTED_TOLERANCE}."
                        if is_protected
                        else "; a fall that is more than chance is harm."
                    )
                ),
            )
        )
    return results


def severe_regression_gates(pairs: Pairs, strictness: Strictness, *, noise: float) -> list[GateResult]:
    """Gate G4: few cases lose half a point or more, and none that must pass.

    An agent that differs from itself by as much on a share ``noise`` of cases loses on half of them by chance alone; that much
    is added to what is tolerated.
    """
    tolerated = min(1.0, MOST_SEVERE + noise / 2)
    upper = clopper_pearson_upper(pairs.severe, pairs.cases, strictness.harm_alpha) if pairs.cases else 1.0
    lower = clopper_pearson_lower(pairs.at_best.severe, pairs.cases, strictness.harm_alpha)
    unknown = f" ({pairs.at_best.severe} by what is known alone)" if pairs.at_best.severe < pairs.severe else ""
    return [
        GateResult(
            gate=Gate.SEVERE_REGRESSIONS,
            name="severe_regressions",
            value=upper,
            threshold=tolerated,
            passed=upper <= tolerated,
            harm=lower > tolerated,
            detail=(
                f"{pairs.severe} of {pairs.cases} cases lose {-SEVERE_LOSS} or more{unknown}: with "
                f"{1 - strictness.harm_alpha:.2%} confidence at most {upper:.1%}, and {tolerated:.1%} is tolerated."
            ),
        ),
        GateResult(
            gate=Gate.SEVERE_REGRESSIONS,
            name="must_pass",
            value=float(pairs.must_pass_lost),
            threshold=0.0,
            passed=not pairs.must_pass_lost and not pairs.must_pass_unknown,
            harm=bool(pairs.must_pass_lost),
            detail=f"{pairs.must_pass_lost} cases tagged {MUST_PASS} passed before and fail now."
            + (
                f" {pairs.must_pass_unknown} more may have: not all of their answers were scored in everything."
                if pairs.must_pass_unknown
                else ""
            ),
        ),
    ]


def slice_gates(pairs: Pairs, strictness: Strictness) -> list[GateResult]:
    """Gate G6: no group of samples with the same tag gets worse, all groups together at one level (Holm)."""
    slices = {tag: differences for tag, differences in pairs.slices.items() if len(differences) >= LEAST_SLICE}
    p_values = {tag: fall_p_value(differences) for tag, differences in slices.items()}
    seeming = holm(p_values, HARM_ALPHA)
    worse = holm({tag: fall_p_value(pairs.at_best.slices[tag]) for tag in slices}, strictness.harm_alpha)
    return [
        GateResult(
            gate=Gate.SLICES,
            name=f"slice:{tag}",
            value=p_value,
            threshold=HARM_ALPHA,
            passed=tag not in seeming,
            harm=tag in worse,
            detail=(
                f"The {len(slices[tag])} cases tagged {tag} change by {sum(slices[tag]) / len(slices[tag]):+.3f} "
                f"(p = {p_value:.3f} that they do not get worse, Holm over {len(slices)} tags)."
            ),
        )
        for tag, p_value in p_values.items()
    ]
