"""Instructions on the wording of the whole answer: casing, commas, how it begins and ends, its language."""

import re
from functools import lru_cache
from importlib import import_module
from typing import Annotated, Any, Literal

import re2
from pydantic import AfterValidator, Field

from spectral_platform.evaluations.evaluators.instructions.checks import Check, Count, Phrase, Relation, counted
from spectral_platform.evaluations.evaluators.subjects import excerpt

LANGUAGES = frozenset(
    re.findall(
        r"\S+",
        "ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr fuv fy ga"
        " gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko ku ky la lb lg lij"
        " ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh se si sk sl sn so"
        " sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue zh zu",
    )
)
"""The languages that are recognised, by their codes of ISO 639."""

_NO_LANGUAGE = "zxx"
_READ = 20_000
_NEARLY_AS_LIKELY = 0.1
_COMMA = re2.compile(r"[,，、،﹐]")
_CAPITAL_CANDIDATE = re.compile(r"[^\W_]+(?:[-'’.&][^\W_]+)*")
_QUOTES = frozenset({'""', "“”", "„“", "„”", "«»", "»«", "「」", "＂＂"})


def _is_known(language: str) -> str:
    code = language.strip().casefold().split("-")[0]
    if code not in LANGUAGES:
        raise ValueError("a language is given by its code of ISO 639, such as en or de, and this one is not recognised")
    return code


class ResponseLanguage(Check):
    """The whole answer is in one language."""

    id: Literal["language:response_language"]
    language: Annotated[str, Field(max_length=20), AfterValidator(_is_known)] = Field(
        description="Code of ISO 639, such as `en`."
    )

    def holds(self, answer: str) -> bool:
        """Recognise the language; where it cannot be told, as in a number or a word, the answer is given the benefit."""
        return may_be(answer, self.language)

    def demand(self) -> str:
        """Name the language."""
        return f"be entirely in the language {self.language} (ISO 639)"


class EnglishCapital(Check):
    """English in capital letters."""

    id: Literal["change_case:english_capital"]

    def holds(self, answer: str) -> bool:
        """Look for small letters, and at the language."""
        return answer.isupper() and may_be(answer.lower(), "en")

    def demand(self) -> str:
        """Say so."""
        return "be in English and in capital letters only"


class EnglishLowercase(Check):
    """English in small letters."""

    id: Literal["change_case:english_lowercase"]

    def holds(self, answer: str) -> bool:
        """Look for capital letters, and at the language."""
        return answer.islower() and may_be(answer, "en")

    def demand(self) -> str:
        """Say so."""
        return "be in English and in lowercase letters only"


class CapitalWordFrequency(Check):
    """So many words in capital letters; with hyphens it is one word."""

    id: Literal["change_case:capital_word_frequency"]
    capital_frequency: Count = Field(description="How many words.")
    capital_relation: Relation = Field(description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the words."""
        found = sum(match.group().isupper() for match in _CAPITAL_CANDIDATE.finditer(answer))
        return self.capital_relation.holds(found, self.capital_frequency)

    def demand(self) -> str:
        """Say how many."""
        return f"have {self.capital_relation} {counted(self.capital_frequency, 'word')} in all capital letters"


class NoComma(Check):
    """No comma, of whichever script."""

    id: Literal["punctuation:no_comma"]

    def holds(self, answer: str) -> bool:
        """Look for one."""
        return _COMMA.search(answer) is None

    def demand(self) -> str:
        """Say so."""
        return "not contain any comma"

    def evidence(self, answer: str) -> tuple[str, ...]:
        """Give the first comma with what stands around it."""
        match = _COMMA.search(answer)
        return (answer[max(0, match.start() - 20) : match.end() + 20],) if match else ()


class StartChecker(Check):
    """It begins with a phrase, in any case; not of IFEval."""

    id: Literal["startend:start_checker"]
    start_phrase: Phrase = Field(description="How the answer begins.")

    def holds(self, answer: str) -> bool:
        """Compare the beginning."""
        return answer.strip().lstrip("\"“'*_").casefold().startswith(self.start_phrase.strip().casefold())

    def demand(self) -> str:
        """Name the phrase."""
        return f"begin with {excerpt(self.start_phrase)}"


class EndChecker(Check):
    """It ends with a phrase, in any case, and no word follows."""

    id: Literal["startend:end_checker"]
    end_phrase: Phrase = Field(description="How the answer ends.")

    def holds(self, answer: str) -> bool:
        """Compare the end."""
        return answer.strip().strip('"').casefold().endswith(self.end_phrase.strip().casefold())

    def demand(self) -> str:
        """Name the phrase."""
        return f"end with {excerpt(self.end_phrase)} and nothing after it"


class Quotation(Check):
    """It stands in double quotation marks as a whole."""

    id: Literal["startend:quotation"]

    def holds(self, answer: str) -> bool:
        """Look at both ends."""
        bare = answer.strip()
        return len(bare) > 1 and bare[0] + bare[-1] in _QUOTES

    def demand(self) -> str:
        """Say so."""
        return "stand in double quotation marks as a whole"


class TwoResponses(Check):
    """Two different answers with six asterisks between them."""

    id: Literal["combination:two_responses"]

    def holds(self, answer: str) -> bool:
        """Split and compare."""
        parts = [part.strip() for part in answer.split("******")]
        inner = parts[not parts[0] : len(parts) - (not parts[-1])]
        return all(inner) and len(inner) == 2 and inner[0] != inner[1]

    def demand(self) -> str:
        """Say so."""
        return "give two different responses, separated by ******"


class RepeatPrompt(Check):
    """It begins with the request, word for word."""

    id: Literal["combination:repeat_prompt"]
    prompt_to_repeat: Annotated[str, Field(min_length=1, max_length=20_000)] = Field(description="The request.")

    def holds(self, answer: str) -> bool:
        """Compare the beginning."""
        return answer.strip().casefold().startswith(self.prompt_to_repeat.strip().casefold())

    def demand(self) -> str:
        """Quote the request."""
        return f"first repeat the request word for word: {excerpt(self.prompt_to_repeat)}"


def may_be(text: str, language: str) -> bool:
    """Tell whether a text may be in a language: it is the likeliest one or nearly so, or there is nothing to tell by."""
    likelihoods: dict[str, float] = dict(_identifier().rank(text[:_READ]))
    likeliest = max(likelihoods, key=lambda code: likelihoods[code])
    if likeliest == _NO_LANGUAGE or not any(character.isalpha() for character in text):
        return True
    return likelihoods.get(language, 0) >= _NEARLY_AS_LIKELY * likelihoods[likeliest]


@lru_cache(maxsize=1)
def _identifier() -> Any:
    # Loaded when the first language is to be told: it takes a second, and numpy, which the API has no other use for.
    library = import_module("py3langid.langid")
    return library.LanguageIdentifier.from_model_file(library.MODEL_FILE, norm_probs=True)
