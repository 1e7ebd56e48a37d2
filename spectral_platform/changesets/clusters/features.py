"""Failures as vectors: how they are told beside what is known of them exactly. Imported by worker processes only.

Failures that read the same once numbers, names and quotes are masked are one row. The text of a row is the TF-IDF of its words
and of the four-character n-grams in them, which do for inflection what stemming does (McNamee and Mayfield 2004), reduced to 100
dimensions; its fingerprint is one column for each token, weighted by rarity. Dimensions are learned from the rows that are
linked, and the others are placed in that space: a decomposition of all would take most of the time and find the same directions.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.utils.extmath import randomized_svd

from spectral_platform.changesets.clusters.failures import Failure, mask

Vectors = NDArray[np.float64]
Places = NDArray[np.int64]
WORD = re.compile(r"[^\W\d_]{2,}")
_GRAM = 4
_DIMENSIONS = 100
_ITERATIONS = 1


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
    if not any(WORD.search(text) for text in texts):
        return np.zeros((len(texts), 1))
    words = CountVectorizer(analyzer=re.compile(r"\w+").findall, dtype=np.float32)
    grams = CountVectorizer(analyzer="char_wb", ngram_range=(_GRAM, _GRAM), dtype=np.float32)
    by_word = words.fit_transform(texts)
    by_gram = by_word @ grams.fit_transform(words.get_feature_names_out())  # each word is taken apart once
    features: csr_matrix = hstack(
        [TfidfTransformer(sublinear_tf=True).fit_transform(each) for each in (by_word, by_gram)]
    ).tocsr()
    sample = features[learned] if len(learned) < len(texts) else features
    if min(sample.shape) <= _DIMENSIONS:
        return unit(features.toarray().astype(np.float64))
    _, _, directions = randomized_svd(sample, n_components=_DIMENSIONS, n_iter=_ITERATIONS, random_state=0)
    return unit(np.asarray(features @ directions.T, dtype=np.float64))


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
