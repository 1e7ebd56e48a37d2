"""How alike two texts are by the vectors that a model embeds them in."""

import math
from collections.abc import Sequence

from spectral_platform.llm.providers.refusals import unreadable


def cosine(one: Sequence[float], other: Sequence[float]) -> str:
    """The cosine of two vectors as text. Raises ``ProviderUnavailable`` if they have none."""
    try:
        products = sum(a * b for a, b in zip(one, other, strict=True))
        value = products / (math.hypot(*one) * math.hypot(*other))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise unreadable("embeddings could not be compared") from error
    if not math.isfinite(value):
        raise unreadable("embeddings are no numbers")
    return f"{value:.6f}"
