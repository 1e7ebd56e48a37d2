"""Grouping of near-duplicate texts."""

import random
import time
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral_platform.samples.near_duplicates import (
    are_similar,
    distinct_texts,
    fingerprint,
    group_near_duplicates,
    shingles,
    similar_candidates,
)

LONG = "please tell me how long it usually takes until a refund for a returned parcel arrives on my credit card account"


def grouped(*texts: str) -> dict[str, str]:
    return group_near_duplicates({text: text for text in texts}, {})


def test_texts_that_differ_in_case_and_punctuation_have_one_fingerprint() -> None:
    assert fingerprint("How long does it take?") == fingerprint("how long, does it TAKE")
    assert fingerprint("How long does it take?") != fingerprint("How long does it last?")


@pytest.mark.parametrize("text", ["", "   ", "?!", "🙂", "返品はいつまでできますか"])
def test_every_text_has_a_shingle(text: str) -> None:
    assert shingles(text)


def test_a_script_without_spaces_is_compared_by_its_characters() -> None:
    groups = grouped("荷物がまだ届かないので配達の状況を教えてください", "荷物がまだ届かないので配達の状況を教えてくださいね")

    assert len(set(groups.values())) == 1


def test_near_duplicates_share_a_group_and_others_do_not() -> None:
    groups = grouped(LONG, f"{LONG} please", "where is my parcel")

    assert groups[LONG] == groups[f"{LONG} please"] != groups["where is my parcel"]


def test_grouping_is_transitive() -> None:
    chain = [LONG, f"{LONG} one two", f"{LONG} one two three four"]
    assert not are_similar(shingles(chain[0]), shingles(f"{LONG} one two three four five six seven"))

    assert len(set(grouped(*chain).values())) == 1


def test_a_known_group_keeps_its_name_and_takes_in_what_is_similar() -> None:
    groups = group_near_duplicates({"new": f"{LONG} please", "other": "where is my parcel"}, {"old": (LONG, "group of old")})

    assert groups == {"new": "group of old", "other": "other"}


def test_two_known_groups_are_not_merged() -> None:
    known = {"a": (LONG, "first"), "b": (f"{LONG} please", "second")}

    assert group_near_duplicates({"c": f"{LONG} please thanks"}, known)["c"] in {"first", "second"}


def test_the_order_of_the_texts_does_not_name_the_groups() -> None:
    texts = [LONG, f"{LONG} please", f"{LONG} thanks", "where is my parcel"]

    assert grouped(*texts) == grouped(*reversed(texts))


words = st.lists(st.sampled_from("abcd"), min_size=1, max_size=14).map(" ".join)


@given(st.lists(words, max_size=12, unique=True))
def test_the_candidates_contain_every_similar_pair(texts: list[str]) -> None:
    sets = [shingles(text) for text in texts]

    candidates = {frozenset((one, other)) for one, others in similar_candidates(sets) for other in others}

    similar = {frozenset(pair) for pair in combinations(range(len(sets)), 2) if are_similar(sets[pair[0]], sets[pair[1]])}
    assert similar <= candidates


@pytest.mark.parametrize(("shared_words", "expected"), [(0, 5000), (18, 5000), (22, 1)])
def test_five_thousand_texts_of_any_likeness_are_grouped_in_seconds(shared_words: int, expected: int) -> None:
    draw = random.Random(1)
    vocabulary = [f"word{number}" for number in range(2000)]
    frame = " ".join(draw.choices(vocabulary, k=shared_words))
    texts = {str(number): f"{frame} {' '.join(draw.choices(vocabulary, k=24 - shared_words))}" for number in range(5000)}

    started = time.process_time()
    groups = group_near_duplicates(texts, {})

    assert time.process_time() - started < 15
    assert len(set(groups.values())) == expected


def test_the_first_of_several_near_duplicates_stands_for_them() -> None:
    texts = {"a": LONG, "b": "where is my parcel", "c": f"{LONG} please", "d": "Where is my parcel?!", "e": "hello"}

    assert distinct_texts(texts, known=["HELLO"]) == ["a", "b"]
