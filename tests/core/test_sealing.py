"""Sealed text: opened by the secrets that it may be opened by, and by nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from spectral_platform.core.sealing import Seal, SealBroken
from spectral_platform.core.settings import Settings


@given(st.text())
def test_what_was_closed_opens_again(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    seal = Seal(["one"])

    assert seal.open(seal.close(text)) == text


def test_the_same_text_never_looks_the_same() -> None:
    seal = Seal(["one"])

    assert seal.close("text") != seal.close("text")


def test_another_secret_or_another_context_opens_nothing() -> None:
    sealed = Seal(["one"], "a").close("text")

    for other in (Seal(["two"], "a"), Seal(["one"], "b"), Seal(["one"])):
        with pytest.raises(SealBroken):
            other.open(sealed)


def test_changed_text_does_not_open() -> None:
    sealed = Seal(["one"]).close("text")
    middle = len(sealed) // 2
    changed = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]

    with pytest.raises(SealBroken):
        Seal(["one"]).open(changed)


def test_a_new_secret_opens_what_the_one_before_closed_and_renews_it() -> None:
    sealed = Seal(["old"]).close("text")
    both = Seal(["new", "old"])

    renewed = both.renew(sealed)

    assert both.open(sealed) == "text"
    assert Seal(["new"]).open(renewed) == "text"
    with pytest.raises(SealBroken):
        Seal(["old"]).open(renewed)


def test_earlier_secrets_reach_child_processes() -> None:
    settings = Settings(secret_key=SecretStr("new"), previous_secret_keys=(SecretStr("old"), SecretStr("older")))

    environment = settings.environment_of_child(database_url="postgresql://localhost")

    assert environment["SPECTRAL_PREVIOUS_SECRET_KEYS"] == '["old", "older"]'
    assert settings.secrets == ("new", "old", "older")
