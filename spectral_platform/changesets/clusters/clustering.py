"""Failure clustering without a model: what failed and how it is told, grouped by average linkage.

Failures that read the same once numbers, names and quotes are masked are one row. A row's vector is the TF-IDF of its
words and character n-grams, reduced to 100 dimensions, beside its fingerprint (failing evaluators, error class, tool)
weighted by rarity. Rows closer than a cosine distance of .65 on average form a cluster. Density clustering leaves a
quarter to a half of failures unassigned, and sentence embeddings do no better than TF-IDF on descriptions of failures.

The same failures give the same clusters, whatever their order. Imported by worker processes only.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import hstack
from sklearn.cluster import AgglomerativeClustering
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.extmath import randomized_svd

from spectral_platform.core.randomness import generator
from spectral_platform.core.values import Value
from spectral_platform.statistics.proportions import wilson_interval

DISTANCE_THRESHOLD = 0.65
_MOST_LINKED = 3_000
"""Linkage is quadratic in the rows; those beyond join the nearest cluster."""
_NEAREST_COSINE = 0.3
_DIMENSIONS = 100
_REFITS = 3
_STABLE_JACCARD = 0.6

Vectors = NDArray[np.float64]
Labels = NDArray[np.int64]
_UNCLUSTERED = -1


class Failure(Value):
    """One failed case: what the evaluators said of it, and what failed.

    ``fingerprint`` names what is known exactly, the failing evaluators or dimensions first; ``severity`` is the loss
    in [0, 1].
    """

    case_key: str
    text: str
    fingerprint: tuple[str, ...] = ()
    severity: float = Field(default=1.0, ge=0, le=1)


class Cluster(Value):
    """Failures that share a cause. ``share`` is of all failures, with its 95 % Wilson interval.

    ``signature`` depends on the content alone, so that the same cluster of another run has the same. ``medoids`` are
    up to three typical cases. ``stability`` is the mean Jaccard overlap with the best match in refits on 80 % of the
    failures, None where there are too few to refit.
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

    @property
    def is_tentative(self) -> bool:
        """Whether refits often dissolve it, so that its bounds are not to be relied on."""
        return self.stability is None or self.stability < _STABLE_JACCARD


class Clustering(Value):
    """All clusters, the most harmful first, and the failures that belong to none.

    ``stability`` is the mean adjusted Rand index between refits, None where there are too few failures to refit.
    """

    clusters: tuple[Cluster, ...]
    unclustered: tuple[str, ...]
    stability: float | None


class _Row(NamedTuple):
    """Failures that read the same; rows sort by content."""

    masked: str
    fingerprint: tuple[str, ...]
    failures: tuple[Failure, ...]


def cluster_failures(failures: Sequence[Failure]) -> Clustering:
    """Group failures by cause. Clusters under three failures or 1 % are left out, unless there is none larger."""
    rows = _distinct_rows(failures)
    if not rows:
        return Clustering(clusters=(), unclustered=(), stability=None)
    vectors = _vectorize(rows)
    labels = _partition(vectors)
    refits = _refit(rows)
    groups: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        if label != _UNCLUSTERED:
            groups[int(label)].append(place)
    sizes = {label: sum(len(rows[place].failures) for place in places) for label, places in groups.items()}
    largest = max(sizes.values())
    least = min(largest, max(3, -(-len(failures) // 100)))
    kept = [places for label, places in groups.items() if sizes[label] >= least]
    terms = _distinctive_terms([[rows[place] for place in places] for places in kept])
    clusters: list[Cluster] = []
    for places, distinctive in sorted(zip(kept, terms, strict=True), key=lambda pair: (-len(pair[0]), pair[0])):
        taken = frozenset(cluster.signature for cluster in clusters)
        clusters.append(_describe(rows, vectors, places, distinctive, len(failures), refits, taken))
    placed = {place for places in kept for place in places}
    return Clustering(
        clusters=tuple(sorted(clusters, key=lambda c: (-len(c.members) * c.severity, c.signature))),
        unclustered=tuple(failure.case_key for place, row in enumerate(rows) if place not in placed for failure in row.failures),
        stability=_agreement(refits),
    )


_MASKS = (
    (re.compile(r"https?://\S+"), " url "),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+"), " email "),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), " id "),
    (re.compile(r'"[^"\n]*"|“[^”\n]*”|«[^»\n]*»|`[^`\n]*`'), " quote "),
    (re.compile(r"\b(?=\w*\d)(?=\w*[a-z])\w{6,}\b", re.IGNORECASE), " id "),
    (re.compile(r"\d+(?:[.,:]\d+)*"), " number "),
)
_PLACEHOLDERS = frozenset({"url", "email", "id", "quote", "number"})
_LONGEST_TEXT = 2_000
"""Characters that are read; what went wrong is said at the beginning."""
_WORD = re.compile(r"[^\W\d_]{2,}")


def mask(text: str) -> str:
    """Replace what differs from case to case, such as numbers, addresses and quotes, and even out case and spacing."""
    text = text[:_LONGEST_TEXT]
    for pattern, placeholder in _MASKS:
        text = pattern.sub(placeholder, text)
    return " ".join(text.casefold().split())


def _distinct_rows(failures: Sequence[Failure]) -> list[_Row]:
    alike: dict[tuple[str, tuple[str, ...]], list[Failure]] = defaultdict(list)
    for failure in failures:
        alike[mask(failure.text), tuple(sorted(set(failure.fingerprint)))].append(failure)
    return [
        _Row(masked, fingerprint, tuple(sorted(members, key=lambda failure: failure.case_key)))
        for (masked, fingerprint), members in sorted(alike.items())
    ]


def _vectorize(rows: Sequence[_Row]) -> Vectors:
    """Place rows so that cosine compares text and fingerprint alike; a row without either stays a zero vector."""
    return _unit(np.hstack([_text_vectors([row.masked for row in rows]), _fingerprint_vectors(rows)]))


def _text_vectors(texts: Sequence[str]) -> Vectors:
    if not any(_WORD.search(text) for text in texts):
        return np.zeros((len(texts), 1))
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    features = hstack([words.fit_transform(texts), characters.fit_transform(texts)]).tocsr()
    if min(features.shape) <= _DIMENSIONS:
        return _unit(features.toarray())
    left, scale, _ = randomized_svd(features, n_components=_DIMENSIONS, random_state=0)
    return _unit(left * scale)


def _fingerprint_vectors(rows: Sequence[_Row]) -> Vectors:
    counts = Counter(token for row in rows for token in row.fingerprint)
    columns = {token: column for column, token in enumerate(sorted(counts))}
    vectors = np.zeros((len(rows), max(1, len(columns))))
    for place, row in enumerate(rows):
        for token in row.fingerprint:
            vectors[place, columns[token]] = np.log((1 + len(rows)) / (1 + counts[token])) + 1
    return _unit(vectors)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.zeros(vectors.shape)
    np.divide(vectors, lengths, out=unit, where=lengths > 1e-12)
    return unit


def _partition(vectors: Vectors) -> Labels:
    """Label the rows; those without any feature are one group, since cosine cannot compare them."""
    labels = np.full(len(vectors), _UNCLUSTERED, dtype=np.int64)
    blank = ~vectors.any(axis=1)
    filled = np.flatnonzero(~blank)
    if len(filled) > _MOST_LINKED:
        chosen = generator(0, "clusters", "linked", len(filled)).sample(range(len(filled)), _MOST_LINKED)
        linked = filled[np.sort(np.array(chosen))]
    else:
        linked = filled
    labels[linked] = _link(vectors[linked])
    rest = np.setdiff1d(filled, linked)
    if len(rest):
        centroids = _unit(np.stack([vectors[linked][labels[linked] == label].mean(axis=0) for label in range(labels.max() + 1)]))
        cosines = vectors[rest] @ centroids.T
        nearest = cosines.argmax(axis=1)
        labels[rest] = np.where(cosines.max(axis=1) >= _NEAREST_COSINE, nearest, _UNCLUSTERED)
    labels[blank] = labels.max() + 1
    return labels


def _link(vectors: Vectors) -> Labels:
    if len(vectors) < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    linkage = AgglomerativeClustering(n_clusters=None, metric="cosine", linkage="average", distance_threshold=DISTANCE_THRESHOLD)
    labels: Labels = linkage.fit_predict(vectors).astype(np.int64)
    return labels


class _Refit(NamedTuple):
    places: NDArray[np.int64]
    labels: Labels


def _refit(rows: Sequence[_Row]) -> list[_Refit]:
    """Cluster 80 % of the rows anew, features and all, a few times over; none where there are fewer than ten rows."""
    random = generator(0, "clusters", "refit", len(rows))
    kept = min(len(rows), _MOST_LINKED) * 4 // 5
    refits = []
    for _ in range(_REFITS if len(rows) >= 10 else 0):
        places = np.array(sorted(random.sample(range(len(rows)), kept)), dtype=np.int64)
        refits.append(_Refit(places, _partition(_vectorize([rows[place] for place in places]))))
    return refits


def _agreement(refits: Sequence[_Refit]) -> float | None:
    pairs = []
    for index, first in enumerate(refits):
        for second in refits[index + 1 :]:
            _, in_first, in_second = np.intersect1d(first.places, second.places, return_indices=True)
            pairs.append(float(adjusted_rand_score(first.labels[in_first], second.labels[in_second])))
    return sum(pairs) / len(pairs) if pairs else None


def _stability(places: Sequence[int], refits: Sequence[_Refit]) -> float | None:
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


def _distinctive_terms(groups: Sequence[Sequence[_Row]]) -> list[tuple[str, ...]]:
    """Name each group by the words it uses more than the others: class-based TF-IDF (Grootendorst 2022, BERTopic)."""
    counts: list[Counter[str]] = []
    for group in groups:
        counter: Counter[str] = Counter()
        for row in group:
            for word in _WORD.findall(row.masked):
                if word not in ENGLISH_STOP_WORDS and word not in _PLACEHOLDERS:
                    counter[word] += len(row.failures)
        counts.append(counter)
    total: Counter[str] = sum(counts, Counter())
    average = sum(total.values()) / max(1, len(counts))
    return [
        tuple(sorted(counter, key=lambda word: (-counter[word] * np.log1p(average / total[word]), word))[:4])
        for counter in counts
    ]


def _describe(
    rows: Sequence[_Row],
    vectors: Vectors,
    places: Sequence[int],
    terms: tuple[str, ...],
    total: int,
    refits: Sequence[_Refit],
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
    quote = " ".join(medoid.failures[0].text.split())
    headline = ", ".join(terms) or "no description"
    return Cluster(
        signature=signature,
        label=f"{common[0]}: {headline}" if common else headline,
        description=f"{len(members)} of {total} failures, such as: {quote[:300] or 'no description'}",
        members=tuple(failure.case_key for failure in members),
        medoids=tuple(rows[place].failures[0].case_key for place in typical[:3]),
        fingerprint=tuple(common),
        terms=terms,
        share=len(members) / total,
        share_interval=wilson_interval(len(members), total),
        severity=sum(failure.severity for failure in members) / len(members),
        stability=_stability(places, refits),
    )


def _signature(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()
