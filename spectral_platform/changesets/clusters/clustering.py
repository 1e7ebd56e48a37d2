"""Failure clustering without a model: what failed and how it is told, grouped by average linkage.

Up to 3 000 distinct rows are linked: those closer than a cosine distance of .65 on average form a cluster. What was not linked,
and what fell into a cluster too small to keep, joins the nearest cluster. Density clustering leaves a quarter to a half of
failures unassigned, and sentence embeddings do no better than TF-IDF on descriptions of failures.

The same failures give the same clusters, whatever their order. Imported by worker processes only.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import average, fcluster
from scipy.spatial.distance import squareform
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.metrics import adjusted_rand_score

from spectral_platform.changesets.clusters.failures import PLACEHOLDERS, Failure
from spectral_platform.changesets.clusters.features import (
    WORD,
    Features,
    Places,
    Row,
    Vectors,
    distinct_rows,
    is_filled,
    unit,
    vectorize,
)
from spectral_platform.core.randomness import generator
from spectral_platform.core.values import Value
from spectral_platform.statistics.proportions import wilson_interval

DISTANCE_THRESHOLD = 0.65
_MOST_LINKED = 3_000
"""Linkage is quadratic in the rows; those beyond join the nearest cluster."""
_NEAREST_COSINE = 0.3
_REFITS = 3
_LONGEST_LABEL = 140


Labels = NDArray[np.int64]
_UNCLUSTERED = -1


class Cluster(Value):
    """Failures that share a cause. ``share`` is of all failures, with its 95 % Wilson interval.

    ``label`` quotes no failure, for it goes wherever the cluster is named; ``description`` does.
    ``signature`` depends on the content alone, so that the same cluster of another run has the same. ``medoids`` are
    up to three typical cases. ``stability`` is the mean Jaccard overlap with the best match in refits on 80 % of the
    failures, None where there are too few to refit; below .6 its bounds are not to be relied on.
    """

    signature: str
    label: str
    description: str
    members: tuple[str, ...]
    medoids: tuple[str, ...]
    fingerprint: tuple[str, ...]
    terms: tuple[str, ...]
    share: float
    share_interval: tuple[float, float]
    severity: float
    stability: float | None


class Clustering(Value):
    """All clusters, the most harmful first, and the failures that belong to none.

    ``stability`` is the mean adjusted Rand index between refits, None where there are too few failures to refit.
    """

    clusters: tuple[Cluster, ...]
    unclustered: tuple[str, ...]
    stability: float | None


def cluster_failures(failures: Sequence[Failure]) -> Clustering:
    """Group failures by cause. Clusters under three failures or 1 % are left out, unless there is none larger."""
    rows = distinct_rows(failures)
    if not rows:
        return Clustering(clusters=(), unclustered=(), stability=None)
    linked = _choose(len(rows), _MOST_LINKED, "linked")
    features = vectorize(rows, linked)
    sizes = np.array([len(row.failures) for row in rows])
    labels = _partition(features, sizes, linked)
    refits = _refit(features, sizes, linked)
    groups: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        if label != _UNCLUSTERED:
            groups[int(label)].append(place)
    kept = sorted(groups.values(), key=lambda places: (-len(places), places))
    terms = _distinctive_terms([[rows[place] for place in places] for places in kept])
    vectors = features.joined
    clusters: list[Cluster] = []
    for places, distinctive in zip(kept, terms, strict=True):
        taken = frozenset(cluster.signature for cluster in clusters)
        stability = _stability(np.intersect1d(places, linked), refits)
        clusters.append(_describe(rows, vectors, places, distinctive, len(failures), stability, taken))
    return Clustering(
        clusters=tuple(sorted(clusters, key=lambda c: (-len(c.members) * c.severity, c.signature))),
        unclustered=tuple(failure.key for place in np.flatnonzero(labels == _UNCLUSTERED) for failure in rows[place].failures),
        stability=_agreement(refits),
    )


def _choose(rows: int, most: int, purpose: str) -> Places:
    """The places of at most so many rows, drawn alike whenever there are so many rows."""
    if rows <= most:
        return np.arange(rows)
    return np.array(sorted(generator(0, "clusters", purpose, rows).sample(range(rows), most)), dtype=np.int64)


def _partition(features: Features, sizes: Places, linked: Places) -> Labels:
    """Label all rows: by linkage or, where they were not linked or hardly any are alike, by the nearest of what is kept.

    Rows without any feature are one group, since cosine cannot compare them.
    """
    vectors = features.joined
    labels = np.full(len(vectors), _UNCLUSTERED, dtype=np.int64)
    blank = ~is_filled(vectors)
    filled = linked[~blank[linked]]
    found = _link(vectors[filled])
    weights = np.bincount(found, weights=sizes[filled])
    total = sizes[linked].sum()
    if len(weights):
        least = min(weights.max(), max(3, -(-int(total) // 100)))
        names = np.full(len(weights), _UNCLUSTERED, dtype=np.int64)
        names[weights >= least] = np.arange((weights >= least).sum())
        labels[filled] = names[found]
        centroids = unit(np.stack([vectors[labels == label].mean(axis=0) for label in range(names.max() + 1)]))
        rest = np.flatnonzero((labels == _UNCLUSTERED) & ~blank)
        cosines = features.among(rest).nearness(centroids)
        labels[rest] = np.where(cosines.max(axis=1) >= _NEAREST_COSINE, cosines.argmax(axis=1), _UNCLUSTERED)
    if sizes[blank].sum() >= min(3, sizes.sum()) or not len(filled):
        labels[blank] = labels.max() + 1
    return labels


def _link(vectors: Vectors) -> Labels:
    if len(vectors) < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    # Unit vectors: rounding may leave a diagonal that is not 0, and less than 0 between rows of the same words.
    distances = squareform(np.maximum(1 - vectors @ vectors.T, 0), checks=False)
    labels: Labels = fcluster(average(distances), DISTANCE_THRESHOLD, "distance").astype(np.int64) - 1
    return labels


class _Refit(NamedTuple):
    places: Places
    labels: Labels


def _refit(features: Features, sizes: Places, linked: Places) -> list[_Refit]:
    """Link 80 % of what was linked anew, a few times over; none where there are fewer than ten rows."""
    refits = []
    for number in range(_REFITS if len(linked) >= 10 else 0):
        places = linked[_choose(len(linked), len(linked) * 4 // 5, f"refit {number}")]
        refits.append(_Refit(places, _partition(features.among(places), sizes[places], np.arange(len(places)))))
    return refits


def _agreement(refits: Sequence[_Refit]) -> float | None:
    pairs = []
    for index, first in enumerate(refits):
        for second in refits[index + 1 :]:
            _, in_first, in_second = np.intersect1d(first.places, second.places, return_indices=True)
            pairs.append(float(adjusted_rand_score(first.labels[in_first], second.labels[in_second])))
    return sum(pairs) / len(pairs) if pairs else None


def _stability(places: Places, refits: Sequence[_Refit]) -> float | None:
    overlaps = []
    for refit in refits:
        inside = np.isin(refit.places, places)
        if not inside.any():
            continue
        best = 0.0
        for label in set(refit.labels[inside].tolist()) - {_UNCLUSTERED}:
            group = refit.labels == label
            best = max(best, float((inside & group).sum() / (inside | group).sum()))
        overlaps.append(best)
    return sum(overlaps) / len(overlaps) if overlaps else None


def _distinctive_terms(groups: Sequence[Sequence[Row]]) -> list[tuple[str, ...]]:
    """Name each group by the words it uses more than the others: class-based TF-IDF (Grootendorst 2022, BERTopic)."""
    counts: list[Counter[str]] = []
    for group in groups:
        counter: Counter[str] = Counter()
        for row in group:
            for word in WORD.findall(row.masked):
                if word not in ENGLISH_STOP_WORDS and word not in PLACEHOLDERS:
                    counter[word] += len(row.failures)
        counts.append(counter)
    total: Counter[str] = sum(counts, Counter())
    average = sum(total.values()) / max(1, len(counts))
    return [
        tuple(sorted(counter, key=lambda word: (-counter[word] * np.log1p(average / total[word]), word))[:4])
        for counter in counts
    ]


def _describe(
    rows: Sequence[Row],
    vectors: Vectors,
    places: Sequence[int],
    terms: tuple[str, ...],
    total: int,
    stability: float | None,
    taken: frozenset[str],
) -> Cluster:
    members = [failure for place in places for failure in rows[place].failures]
    tokens = Counter(token for failure in members for token in set(failure.fingerprint))
    common = sorted((token for token, count in tokens.items() if 2 * count >= len(members)), key=lambda t: (-tokens[t], t))
    weights = np.array([len(rows[place].failures) for place in places], dtype=np.float64)
    nearness = vectors[places] @ (weights @ vectors[places])
    # Rounding makes equal distances differ in the last digit; the places of equal ones follow the content.
    typical = [places[index] for index in np.lexsort((np.arange(len(places)), -np.round(nearness, 9)))]
    medoid = rows[typical[0]]
    signature = _signature(*common, "|", *sorted(terms))
    if signature in taken:
        signature = _signature(*common, "|", *sorted(terms), "|", medoid.masked, *medoid.fingerprint)
    quote = " ".join(medoid.failures[0].text.partition("\n")[0].split())
    return Cluster(
        signature=signature,
        label=_label(members, common, terms),
        description=f"{len(members)} of {total} failures, such as: {quote[:300] or 'no description'}",
        members=tuple(failure.key for failure in members),
        medoids=tuple(rows[place].failures[0].key for place in typical[:3]),
        fingerprint=tuple(common),
        terms=terms,
        share=len(members) / total,
        share_interval=wilson_interval(len(members), total),
        severity=sum(failure.severity for failure in members) / len(members),
        stability=stability,
    )


def _label(members: Sequence[Failure], common: Sequence[str], terms: Sequence[str]) -> str:
    """What most of them fail, and what that asks for; where nothing says so, what else they have in common."""
    failed, count = Counter((failure.fingerprint[:1], failure.asked) for failure in members).most_common(1)[0]
    criterion, asked = failed if 2 * count >= len(members) else ((), "")
    told = asked or ", ".join((*(token for token in common if token not in criterion), *terms)) or "no description"
    label = " ".join(": ".join((*criterion, told)).split())
    # Cut anywhere, not between words, which not all scripts part.
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _signature(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()
