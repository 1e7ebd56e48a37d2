import random
from collections.abc import Sequence

import pytest
from sklearn.metrics import adjusted_rand_score

from spectral_platform.changesets.clusters import clustering as clustering_module
from spectral_platform.changesets.clusters.clustering import Clustering, cluster_failures
from spectral_platform.changesets.clusters.failures import Failure, mask

_TEMPLATES = """
dimension:citation | cite {the source,a document,its source} of the {claim,fact,statement}
dimension:groundedness | not {add,invent,make up} {facts,figures,details} beyond the context
rule:no_personal_data | not {contain,reveal,repeat} personal data such as {email addresses,phone numbers}
rule:refusal | {politely decline,decline} the request for {medical,legal} advice
dimension:format | be {valid JSON,a JSON document} with {every,each} required {field,property}
dimension:language | be written in the {language of the customer,customer's language}
dimension:brevity | be {shorter,briefer} and {stay within,keep to} the word limit
dimension:handover | {offer,propose} a {handover to,call with} a human {agent,colleague}
"""
MODES = dict(line.split(" | ") for line in _TEMPLATES.strip().splitlines())
STABLE = 0.6  # mean overlap with refits from which a cluster is not tentative
CASES = ("about order 4711", "for ticket A-2231", "in the case of Ms Meier", "on a Sunday", "", "for a new customer")


def _fill(template: str, draw: random.Random) -> str:
    while "{" in template:
        before, _, rest = template.partition("{")
        choices, _, after = rest.partition("}")
        template = before + draw.choice(choices.split(",")) + after
    return template


def _planted(count: int, *, blurred: float = 0.25, seed: int = 5) -> tuple[list[Failure], list[str]]:
    """Failures of known modes; some have lost their fingerprint or carry a second one."""
    draw = random.Random(seed)
    failures, modes = [], []
    for number in range(count):
        mode = draw.choice(sorted(MODES))
        fingerprint: tuple[str, ...] = (mode,)
        if draw.random() < blurred:
            fingerprint = draw.choice([(), (mode, draw.choice(sorted(MODES)))])
        text = f"The answer must {_fill(MODES[mode], draw)} {draw.choice(CASES)}."
        failures.append(Failure(key=f"case-{number}", text=text, fingerprint=fingerprint, severity=0.5))
        modes.append(mode)
    return failures, modes


def _labels(clustering: Clustering, failures: Sequence[Failure]) -> list[str]:
    found = {key: cluster.signature for cluster in clustering.clusters for key in cluster.members}
    return [found.get(failure.key, "none") for failure in failures]


@pytest.fixture(scope="module")
def planted() -> tuple[list[Failure], list[str], Clustering]:
    failures, modes = _planted(500)
    return failures, modes, cluster_failures(failures)


def test_planted_modes_are_recovered(planted: tuple[list[Failure], list[str], Clustering]) -> None:
    failures, modes, clustering = planted
    assert adjusted_rand_score(modes, _labels(clustering, failures)) >= 0.8
    assert len(clustering.clusters) >= 8


def test_every_failure_is_in_one_cluster_or_unclustered(
    planted: tuple[list[Failure], list[str], Clustering],
) -> None:
    failures, _, clustering = planted
    keys = [key for cluster in clustering.clusters for key in cluster.members] + list(clustering.unclustered)
    assert sorted(keys) == sorted(failure.key for failure in failures)


def test_a_card_says_what_failed_how_often_and_shows_typical_cases(
    planted: tuple[list[Failure], list[str], Clustering],
) -> None:
    failures, modes, clustering = planted
    mode_of = dict(zip((failure.key for failure in failures), modes, strict=True))
    largest = max(clustering.clusters, key=lambda cluster: len(cluster.members))
    assert largest.label.startswith(largest.fingerprint[0])
    assert len({mode_of[key] for key in largest.medoids}) == 1
    assert set(largest.medoids) <= set(largest.members)
    low, high = largest.share_interval
    assert low < largest.share == len(largest.members) / 500 < high
    assert "The answer must" in largest.description
    assert largest.severity == pytest.approx(0.5)


def test_clear_modes_are_stable_under_refits(planted: tuple[list[Failure], list[str], Clustering]) -> None:
    _, _, clustering = planted
    assert clustering.stability is not None
    assert clustering.stability > 0.7
    large = [cluster for cluster in clustering.clusters if len(cluster.members) >= 30]
    assert all((cluster.stability or 0) >= STABLE for cluster in large)


def test_clusters_depend_neither_on_the_order_nor_on_the_run(
    planted: tuple[list[Failure], list[str], Clustering],
) -> None:
    failures, _, clustering = planted
    shuffled = random.Random(1).sample(failures, len(failures))
    assert cluster_failures(shuffled) == clustering


def test_a_signature_survives_one_failure_more(planted: tuple[list[Failure], list[str], Clustering]) -> None:
    failures, _, clustering = planted
    further = failures[0].model_copy(update={"key": "further"})
    again = cluster_failures([*failures, further])
    assert {cluster.signature for cluster in again.clusters} == {cluster.signature for cluster in clustering.clusters}


def test_rows_beyond_what_is_linked_join_the_nearest_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering_module, "_MOST_LINKED", 80)
    failures, modes = _planted(400, seed=6)
    assert adjusted_rand_score(modes, _labels(cluster_failures(failures), failures)) >= 0.8


def test_failures_that_lost_their_fingerprint_are_known_by_their_text() -> None:
    failures, modes = _planted(300, blurred=0, seed=7)
    lost = [
        failure.model_copy(update={"fingerprint": ()}) if number % 5 == 0 else failure for number, failure in enumerate(failures)
    ]
    clustering = cluster_failures(lost)
    assert adjusted_rand_score(modes, _labels(clustering, lost)) >= 0.9


def test_signatures_differ(planted: tuple[list[Failure], list[str], Clustering]) -> None:
    _, _, clustering = planted
    assert len({cluster.signature for cluster in clustering.clusters}) == len(clustering.clusters)


def test_without_failures_there_are_no_clusters() -> None:
    assert cluster_failures([]) == Clustering(clusters=(), unclustered=(), stability=None)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_handful_of_failures_still_has_a_cluster(count: int) -> None:
    failures, _ = _planted(count)
    clustering = cluster_failures(failures)
    assert clustering.clusters
    assert all((cluster.stability or 0) < STABLE for cluster in clustering.clusters)


def test_identical_failures_are_one_cluster() -> None:
    failures = [Failure(key=f"c{n}", text=f"Order {n} must cite its source.", fingerprint=("x",)) for n in range(40)]
    (cluster,) = cluster_failures(failures).clusters
    assert len(cluster.members) == 40
    assert cluster.share == 1


@pytest.mark.parametrize("texts", [["", "", ""], ["!!!", "???", "..."], ["12", "3.4", "5,6"], ["the", "of it", "and"]])
def test_texts_without_content_are_harmless(texts: list[str]) -> None:
    failures = [Failure(key=f"c{n}", text=text) for n, text in enumerate(texts)]
    clustering = cluster_failures(failures)
    assert sum(len(cluster.members) for cluster in clustering.clusters) + len(clustering.unclustered) == 3


def test_blank_failures_beside_told_ones_are_a_group_of_their_own() -> None:
    told, _ = _planted(60, blurred=0)
    blank = [Failure(key=f"blank-{n}", text="") for n in range(5)]
    clustering = cluster_failures([*told, *blank])
    assert any(set(cluster.members) == {failure.key for failure in blank} for cluster in clustering.clusters)


def test_fingerprints_alone_separate_failures() -> None:
    failures = [Failure(key=f"c{n}", text="", fingerprint=(f"rule:{n % 3}",)) for n in range(30)]
    assert sorted(len(cluster.members) for cluster in cluster_failures(failures).clusters) == [10, 10, 10]


def test_the_most_harmful_cluster_comes_first() -> None:
    mild = [Failure(key=f"m{n}", text="Too long an answer", fingerprint=("a",), severity=0.1) for n in range(20)]
    grave = [Failure(key=f"g{n}", text="Leaks a secret", fingerprint=("b",), severity=1.0) for n in range(5)]
    first, second = cluster_failures([*mild, *grave]).clusters
    assert (first.fingerprint, second.fingerprint) == (("b",), ("a",))


def test_a_cluster_is_called_by_what_its_criterion_asks_for() -> None:
    asked = "Name the source of every answer."
    failures = [Failure(key=f"c{n}", text="No source for Ms Meier", fingerprint=("sources",), asked=asked) for n in range(9)]
    (cluster,) = cluster_failures(failures).clusters
    assert cluster.label == "sources: Name the source of every answer."


def test_failures_of_the_same_words_in_another_order_are_one_cluster() -> None:
    """Their vectors are the same but for rounding, which must not leave a distance below 0."""
    words = ["refund", "ledger", "invoice", "ticket", "carrier", "parcel"]
    failures = [
        Failure(key=f"{first}-{count}", text=" ".join(words[first:count] + words[:first]), fingerprint=("sources",))
        for count in (5, 6)
        for first in range(count)
    ]
    assert len(cluster_failures(failures).clusters) == 1


@pytest.mark.parametrize(
    "asked", ["必ず出典を示し、返金の条件と期限を明記すること。" * 8, "Name the source of every answer. " * 8]
)
def test_what_a_criterion_asks_for_at_length_is_cut_in_any_script(asked: str) -> None:
    (cluster,) = cluster_failures(
        [Failure(key=f"c{n}", text="No source", fingerprint=("sources",), asked=asked) for n in range(9)]
    ).clusters
    assert cluster.label == f"sources: {asked[:130]}…"


def test_a_cluster_of_which_nothing_says_what_is_asked_is_called_by_what_is_known_of_it() -> None:
    known = ("trace:error", "error:timeout", "tool:billing")
    (cluster,) = cluster_failures(
        [Failure(key=f"c{n}", text="The ledger was silent", fingerprint=known) for n in range(9)]
    ).clusters
    assert cluster.label == "trace:error: error:timeout, tool:billing, ledger, silent"


def test_a_cluster_that_fails_nothing_in_common_is_called_by_its_words() -> None:
    causes = ("facts", "tone", "sources")
    failures = [Failure(key=cause, text="Brusque reply", fingerprint=(cause,), asked=f"Mind the {cause}.") for cause in causes]
    assert {cluster.label for cluster in cluster_failures(failures).clusters} == {"brusque, reply"}


def test_masking_hides_what_differs_between_cases() -> None:
    first = mask('Order 4711 of a.b@c.de: "blue  shoes" at https://x.y/z?q=1 was  LATE by 2.5 days')
    second = mask('order 12 of zoe@example.org: "a lamp" at http://u.v was late by 13 days')
    assert first == second
