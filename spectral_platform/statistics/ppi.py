"""A few human labels and many judgements as one estimate: prediction-powered inference on paired differences (PPI++)."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from spectral_platform.core.values import Value

FEWEST_PAIRS = 2


class PoweredMean(Value):
    """The mean of the human differences, as labels and judgements together tell it.

    ``judge_weight`` is λ̂: 0 when the judge's differences say nothing of the people's, 1 when they say all. ``label_variance`` is
    the part of the squared error that more labels make smaller.
    """

    estimate: float
    standard_error: float
    label_variance: float
    lower: float
    judge_weight: float
    labelled: int
    unlabelled: int


def powered_mean(
    human: ArrayLike,
    judged: ArrayLike,
    unlabelled: ArrayLike,
    *,
    alpha: float,
    inclusion: ArrayLike | None = None,
) -> PoweredMean:
    """Estimate the mean human difference from n labelled pairs and N that only the judge has seen, with a lower 1 − alpha bound.

    With d^H the human and d^J the judge's differences::

        λ̂ = clip(Cov_n(d^H, d^J) / ((1 + n/N) Var(d^J)), 0, 1)
        Δ̂ = λ̂ mean_N(d^J) + mean_n(d^H − λ̂ d^J),   SE² = λ̂² Var_N(d^J) / N + Var_n(d^H − λ̂ d^J) / n
        lower = Δ̂ − t_{1−alpha, n−1} SE

    Angelopoulos, Duchi and Zrnic (2023), "PPI++", arXiv 2311.01453; the t-quantile instead of the normal one, because labels are
    few. ``inclusion`` are the probabilities with which the labelled pairs were chosen; each then counts by its inverse.
    Raises ``ValueError`` on fewer than two labelled or unlabelled pairs and on sequences that do not match.
    """
    d_human, d_judge = np.asarray(human, dtype=np.float64), np.asarray(judged, dtype=np.float64)
    others = np.asarray(unlabelled, dtype=np.float64)
    chances = np.ones(d_human.size) if inclusion is None else np.asarray(inclusion, dtype=np.float64)
    if not (d_human.shape == d_judge.shape == chances.shape) or min(d_human.size, others.size) < FEWEST_PAIRS:
        raise ValueError("the estimate takes two labelled pairs, each judged and marked, and two unlabelled ones")
    if not ((chances > 0) & (chances <= 1)).all():
        raise ValueError("the probability of being chosen lies above 0 and is at most 1")
    n, many = d_human.size, others.size
    weights = (1 / chances) * n / (1 / chances).sum()
    judge_weight = _judge_weight(weights * d_human, weights * d_judge, others)
    corrected = weights * (d_human - judge_weight * d_judge)
    estimate = judge_weight * float(others.mean()) + float(corrected.mean())
    label_variance = float(corrected.var(ddof=1)) / n
    error = math.sqrt(judge_weight**2 * float(others.var(ddof=1)) / many + label_variance)
    return PoweredMean(
        estimate=estimate,
        standard_error=error,
        label_variance=label_variance,
        lower=estimate - float(stdtrit(n - 1, 1 - alpha)) * error,
        judge_weight=judge_weight,
        labelled=n,
        unlabelled=many,
    )


def labels_needed(seen: PoweredMean, *, alpha: float) -> int | None:
    """How many labelled pairs would lift the lower bound above 0 if the estimate stayed; None when none would."""
    if seen.estimate <= 0:
        return None
    wanted = (seen.estimate / float(stdtrit(seen.labelled - 1, 1 - alpha))) ** 2
    fixed = seen.standard_error**2 - seen.label_variance
    return math.ceil(seen.label_variance * seen.labelled / (wanted - fixed)) if wanted > fixed else None


def _judge_weight(human: NDArray[np.float64], judged: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    spread = float(np.concatenate([judged, others]).var(ddof=1))
    if spread == 0:
        return 0.0
    shared = float(((human - human.mean()) * (judged - judged.mean())).mean())
    return min(1.0, max(0.0, shared / ((1 + judged.size / others.size) * spread)))
