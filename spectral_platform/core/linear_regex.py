"""Regular expressions that match in linear time, so that no pattern of a workspace can stall a worker."""

from functools import lru_cache
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, Field

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_LARGEST = 10_000
"""Steps of a compiled program: each may be taken at each character, so `[ab]{1000}` a hundred times over would take for ever."""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str, flags: str = "") -> Any:
    """Compile for RE2. Raises ``ValueError`` on what it cannot parse, look-around and back-references included."""
    try:
        compiled = re2.compile(f"(?{flags}){pattern}" if flags else pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"not a regular expression that runs in linear time (RE2 syntax): {reason}") from error
    if compiled.programsize > _LARGEST:
        raise ValueError("a regular expression this large would take too long; shorten it or its repetitions")
    return compiled


def _compiles(pattern: str) -> str:
    compile_pattern(pattern)
    return pattern


LinearPattern = Annotated[
    str,
    Field(min_length=1, max_length=4000, description="Regular expression in RE2 syntax (linear time)."),
    AfterValidator(_compiles),
]
