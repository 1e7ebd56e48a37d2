"""Comparing answers with what is expected by their meaning, where a workspace has a model for embeddings."""

from collections.abc import Iterable
from dataclasses import replace

from spectral_platform.evaluations.asking import Ask
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.semantic_similarity import SemanticSimilarity
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.llm.messages import Message, ModelRequest, Role

LONGEST = 20_000
"""So many characters of a text are embedded; models take about 8 000 tokens."""


def compares(dimensions: Iterable[Dimension]) -> bool:
    """Whether a dimension asks how alike answers are."""
    return any(isinstance(dimension.evaluator, SemanticSimilarity) for dimension in dimensions)


async def compared(subject: Subject, dimensions: Iterable[Dimension], *, model: str | None, ask: Ask) -> Subject:
    """The subject with the similarity that embeddings show, where a dimension asks for it and there is a model and a comparison.

    Raises what asking raises.
    """
    expected = subject.expected_output
    if model is None or expected is None or not compares(dimensions):
        return subject
    if not (subject.output.strip() and expected.strip()):  # an empty text has no embedding
        similarity = float(subject.output.strip() == expected.strip())
    else:
        texts = (Message(role=Role.USER, content=text[:LONGEST]) for text in (subject.output, expected))
        paid = await ask(ModelRequest(model=model, messages=tuple(texts), max_output_tokens=1, compares=True))
        similarity = min(1.0, max(0.0, float(paid.answer.text)))
    return replace(subject, similarity=similarity)
