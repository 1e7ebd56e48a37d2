"""Windows of time in query parameters: ``15m``, ``24h``, ``7d``."""

import re
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema

PATTERN = r"^[1-9][0-9]{0,4}[mhd]$"
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LONGEST = timedelta(days=366)


def parse_window(value: Any) -> Any:
    """Read a window such as ``24h``; what is a duration already stays one."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(PATTERN, value):
        raise ValueError("a window is a number of minutes, hours or days, such as 15m, 24h or 7d")
    window = int(value[:-1]) * UNITS[value[-1]]
    if window > LONGEST:
        raise ValueError(f"a window is at most {LONGEST.days} days long")
    return window


Window = Annotated[
    timedelta,
    BeforeValidator(parse_window),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["24h"]}),
    Query(description="How far to look back: a number of minutes (`m`), hours (`h`) or days (`d`)."),
]
