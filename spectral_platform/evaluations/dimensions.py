"""The dimensions of a rubric: what is judged, how, and how much it counts."""

import sys
from typing import Annotated

from pydantic import AfterValidator, Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.catalogue import EvaluatorSpec

MOST_DIMENSIONS = 50
DimensionKey = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,59}$")]


class Dimension(Value):
    """One quality of an answer with its evaluator; a rubric is a weighted list of these."""

    key: DimensionKey = Field(description="Short name, unique in its rubric: lower case, digits and underscores.")
    name: str = Field(min_length=1, max_length=120, description="Name for people.")
    description: str = Field(min_length=1, max_length=4000, description="What a good answer does in this respect.")
    weight: float = Field(
        gt=0, le=1_000_000, allow_inf_nan=False, description="Share in the rubric; normalised to sum 1 when written."
    )
    evaluator: EvaluatorSpec = Field(description="How it is measured: `kind` and the kind's parameters.")
    guidance: str | None = Field(default=None, max_length=4000, description="Further statements for a judge.")
    minimum: float | None = Field(default=None, ge=0, le=1, description="Least score; makes it a hard constraint.")


def _keys_differ(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    keys = [dimension.key for dimension in dimensions]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"dimension keys are unique in a rubric; given more than once: {', '.join(twice)}")
    return dimensions


Dimensions = Annotated[tuple[Dimension, ...], Field(min_length=1, max_length=MOST_DIMENSIONS), AfterValidator(_keys_differ)]


def normalize_weights(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """Scale the weights to sum 1."""
    total = sum(dimension.weight for dimension in dimensions)
    # A vanishing share would round to zero and be no weight at all.
    return tuple(
        dimension.model_copy(update={"weight": max(dimension.weight / total, sys.float_info.min)}) for dimension in dimensions
    )
