"""Failures as vectors: how they are told beside what is known of them exactly. Imported by worker processes only.

Failures that read the same once numbers, names and quotes are masked are one row. The text of a row is the TF-IDF of its words
and character n-grams, reduced to 100 dimensions; its fingerprint is one column for each token, weighted by rarity. Vocabulary and
dimensions are learned from the rows that are linked, and the others are placed in that space: a decomposition of all would take
most of the time and find the same directions.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu, qr, svd
from scipy.sparse import csr_array, hstack

from spectral_platform.changesets.clusters.failures import Failure, mask

Vectors = NDArray[np.float64]
Places = NDArray[np.int64]
WORD = re.compile(r"[^\W\d_]{2,}")
_WORDS = re.compile(r"\w+")
_RUNS = range(3, 6)
_DIMENSIONS = 100
_SPARE = 10
_ITERATIONS = 3


class Row(NamedTuple):
    """Failures that read the same; rows sort by content."""

    masked: str
    fingerprint: tuple[str, ...]
    failures: tuple[Failure, ...]


class Features(NamedTuple):
    """Rows as vectors of length one, or of zeros where there is nothing to place: by their text, and by their fingerprint."""

    text: Vectors
    fingerprint: Vectors

    @property
    def joined(self) -> Vectors:
        """Both beside each other, so that cosine compares text and fingerprint alike."""
        return unit(np.hstack([self.text, self.fingerprint]))

    def among(self, places: Places) -> "Features":
        """Those of some rows."""
        return Features(self.text[places], self.fingerprint[places])

    def nearness(self, centroids: Vectors) -> Vectors:
        """Cosines of the rows with centroids of joined vectors, by what each row has.

        A failure whose fingerprint was lost is compared by its text alone, else nothing would come near it.
        """
        dimensions = self.text.shape[1]
        by_text = self.text @ unit(centroids[:, :dimensions]).T
        by_fingerprint = self.fingerprint @ unit(centroids[:, dimensions:]).T
        has_text, has_fingerprint = is_filled(self.text)[:, None], is_filled(self.fingerprint)[:, None]
        return np.where(
            has_text & has_fingerprint,
            self.joined @ centroids.T,
            np.where(has_text, by_text, np.where(has_fingerprint, by_fingerprint, -1.0)),
        )


def distinct_rows(failures: Sequence[Failure]) -> list[Row]:
    """The failures by content, in an order that does not depend on theirs."""
    alike: dict[tuple[str, tuple[str, ...]], list[Failure]] = defaultdict(list)
    for failure in failures:
        alike[mask(failure.text), tuple(sorted(set(failure.fingerprint)))].append(failure)
    return [
        Row(masked, fingerprint, tuple(sorted(members, key=lambda failure: failure.key)))
        for (masked, fingerprint), members in sorted(alike.items())
    ]


def vectorize(rows: Sequence[Row], learned: Places) -> Features:
    """Place all rows in the space that those at ``learned`` span; a row without text or fingerprint stays a zero vector there."""
    return Features(_text_vectors([row.masked for row in rows], learned), _fingerprint_vectors(rows))


def _text_vectors(texts: Sequence[str], learned: Places) -> Vectors:
    known = [texts[place] for place in learned]
    if not any(WORD.search(text) for text in known):
        return np.zeros((len(texts), 1))
    lowered = [text.lower() for text in texts]
    features: csr_array = hstack(
        [_rarity(counts, learned) for counts in (_count_words(lowered), _count_characters(lowered))]
    ).tocsr()
    sample = features[learned] if len(learned) < len(texts) else features
    if min(sample.shape) <= _DIMENSIONS:
        return unit(features.toarray().astype(np.float64))
    return unit(np.asarray(features @ _directions(sample), dtype=np.float64))


def _count_words(texts: Sequence[str]) -> csr_array:
    """How often each text has each word, and each two words beside each other."""
    worded = [_WORDS.findall(text) for text in texts]
    return _count([[*words, *map(" ".join, pairwise(words))] for words in worded])


def _count_characters(texts: Sequence[str]) -> csr_array:
    """How often each text has each run of three to five characters within a word, its ends being characters too.

    Texts share their words, so that the runs of each are told once.
    """
    words = sorted({word for text in texts for word in text.split()})
    numbers = {word: number for number, word in enumerate(words)}
    of_words = _tally([[numbers[word] for word in text.split()] for text in texts], len(words))
    return (of_words @ _count([_runs(f" {word} ") for word in words])).tocsr()


def _runs(word: str) -> list[str]:
    """A word that is shorter than a run is a run by itself, once."""
    runs = [word[start : start + length] for length in _RUNS for start in range(len(word) - length + 1)]
    return runs or [word]


def _count(texts: Sequence[Sequence[str]]) -> csr_array:
    columns = {term: column for column, term in enumerate(sorted({term for terms in texts for term in terms}))}
    return _tally([[columns[term] for term in terms] for terms in texts], len(columns))


def _tally(rows: Sequence[Sequence[int]], columns: int) -> csr_array:
    """How often each row has each column."""
    ends = np.cumsum([0, *map(len, rows)])
    places = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=ends[-1])
    counts = csr_array((np.ones(len(places), dtype=np.float32), places, ends), shape=(len(rows), columns))
    counts.sum_duplicates()
    return counts


def _rarity(counts: csr_array, learned: Places) -> csr_array:
    """Counts as TF-IDF, rows at length one: 1 + ln tf, times 1 + ln((1 + n) / (1 + df)) among those that are learned from."""
    known = counts[learned]
    found = np.bincount(known.indices, minlength=counts.shape[1])
    weights = (np.log((1 + len(learned)) / (1 + found)) + 1)[found > 0].astype(np.float32)
    scaled = counts[:, found > 0]
    scaled.data = (np.log(scaled.data) + 1) * weights[scaled.indices]
    lengths = np.sqrt(scaled.multiply(scaled).sum(axis=1))
    scaled.data /= np.repeat(np.where(lengths > 0, lengths, 1), np.diff(scaled.indptr))
    return scaled


def _directions(matrix: csr_array) -> Vectors:
    """The directions in which the rows differ most, as columns: a randomized singular value decomposition.

    Halko, Martinsson and Tropp (2011), SIAM Review 53(2), algorithm 4.4, with some directions to spare and each power iteration
    normalized by LU. The legacy generator is the one whose stream numpy has frozen.
    """
    tall = matrix.T if matrix.shape[0] < matrix.shape[1] else matrix
    found = np.random.RandomState(0).normal(size=(tall.shape[1], _DIMENSIONS + _SPARE)).astype(matrix.dtype)
    for _ in range(_ITERATIONS):
        for side in (tall, tall.T):
            found, _ = lu(side @ found, permute_l=True)
    basis, _ = qr(tall @ found, mode="economic")
    inner, _, outer = svd((tall.T @ basis).T, full_matrices=False)
    directions = basis @ inner if tall is not matrix else outer.T
    return np.asarray(directions[:, :_DIMENSIONS])


def _fingerprint_vectors(rows: Sequence[Row]) -> Vectors:
    counts = Counter(token for row in rows for token in row.fingerprint)
    columns = {token: column for column, token in enumerate(sorted(counts))}
    vectors = np.zeros((len(rows), max(1, len(columns))))
    for place, row in enumerate(rows):
        for token in row.fingerprint:
            vectors[place, columns[token]] = np.log((1 + len(rows)) / (1 + counts[token])) + 1
    return unit(vectors)


def is_filled(vectors: Vectors) -> NDArray[np.bool_]:
    """Which of the vectors are not zero."""
    counts: Places = np.count_nonzero(vectors, axis=1)
    return counts > 0


def unit(vectors: Vectors) -> Vectors:
    """The vectors at length one; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.zeros(vectors.shape)
    np.divide(vectors, lengths, out=scaled, where=lengths > 1e-6)
    return scaled
