"""`groundedness`: what the answer says is found in the case's context, measured by n-gram support."""

from collections.abc import Iterable, Sequence, Set
from itertools import filterfalse, pairwise
from typing import Literal

import re2
from pydantic import Field

from spectral_platform.core.remembering import remembered
from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.ngrams import answered_words, folded_words
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject

EVALUATOR = "groundedness@1"
Ngram = str | tuple[str, str]

_SENTENCE = re2.compile(r"[^.!?\n]+(?:[.!?]+[^\s.!?][^.!?\n]*)*[.!?]*")
_STOP_WORDS = frozenset(
    folded_words(
        "a about after all also am an and any are as at be because been before being but by can could did do does"
        " for from further had has have having he her here his how i i'd i'll i'm i've if in into is it it's its"
        " just may me might more most must my no not of on one only or other our out please she should so some such"
        " than thank thanks that that's the their them then there these they this those through to too under until"
        " up us very was we we'll we're were what when where which while who will with would you you'll you're your"
        " yours"
    )
)


class Groundedness(Value):
    """Parameters of `groundedness`."""

    kind: Literal["groundedness"] = "groundedness"
    threshold: float = Field(default=0.5, gt=0, le=1, description="Least share of supported n-grams that passes.")

    def evaluate(self, subject: Subject) -> Evaluation:
        """Score the share of the answer's content words and pairs of them that occur in the context; NA without context.

        Words of the question count as supported: an answer may repeat what it was asked. Sentences below the threshold
        are the evidence.
        """
        if not (subject.context or "").strip():
            return Evaluation.not_applicable(EVALUATOR, "The case has no context to rest on.")
        given, claimed = _given(subject.context or "", subject.input), _claimed(subject.output)
        if not claimed:
            return Evaluation.failure(EVALUATOR, "The answer must state what the given context says.")
        score = len(claimed & given) / len(claimed)
        if score >= self.threshold:
            return Evaluation.success(EVALUATOR, score=score)
        unsupported = [
            sentence
            for sentence, claims in _sentences(subject.output)
            if claims and len(claims & given) / len(claims) < self.threshold
        ]
        feedback = "The answer must rest only on the given context and must not add facts that the context does not state."
        return Evaluation.failure(EVALUATOR, feedback, score=score, evidence=tuple(unsupported[:5]))


@remembered(128)  # one config after another meets the same cases
def _given(context: str, asked: str) -> Set[Ngram]:
    return _content_ngrams(folded_words(context)) | _content_ngrams(folded_words(asked))


@remembered(16)  # rules and rubrics look at the same answer
def _claimed(output: str) -> Set[Ngram]:
    return _content_ngrams(answered_words(output))


@remembered(16)
def _sentences(output: str) -> Sequence[tuple[str, Set[Ngram]]]:
    sentences = (match.group().strip() for match in _SENTENCE.finditer(output))
    return [(sentence, _content_ngrams(folded_words(sentence))) for sentence in sentences]


def _content_ngrams(words: Iterable[str]) -> Set[Ngram]:
    content = list(filterfalse(_STOP_WORDS.__contains__, words))
    return {*content, *pairwise(content)}
