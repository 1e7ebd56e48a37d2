"""The text of failures as vectors, against scikit-learn."""

import random

import numpy as np
import pytest
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.extmath import randomized_svd

from spectral_platform.changesets.clusters.features import Row, unit, vectorize

WORDS = "the answer must cite its source of a claim Über größe 9 x_1 don't e-mail, (timeout) of order I cite"


def _told(count: int) -> list[str]:
    draw = random.Random(3)
    return ["  ".join(draw.choices(WORDS.split(), k=draw.randrange(1, 12))) for _ in range(count)]


@pytest.mark.parametrize(("rows", "learned"), [(12, 12), (12, 7), (180, 180), (200, 150)])
def test_texts_lie_as_scikit_learn_places_them(rows: int, learned: int) -> None:
    texts = _told(rows)
    known = texts[:learned]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b").fit(known)
    runs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit(known)
    features = hstack([words.transform(texts), runs.transform(texts)]).tocsr()
    expected = features.toarray()
    if min(features[:learned].shape) > 100:
        _, _, directions = randomized_svd(features[:learned], n_components=100, n_iter=3, random_state=0)
        expected = features @ directions.T

    placed = vectorize([Row(text, (), ()) for text in texts], np.arange(learned)).text

    np.testing.assert_allclose(placed @ placed.T, unit(expected) @ unit(expected).T, atol=2e-4)
