"""The partitions of spans: one for each day on which traces began to arrive, and one for what is kept whatever its age."""

from datetime import date
from typing import Any

import psycopg

KEPT = date.max
"""The day of what is kept for good. Postgres would call it infinity, which Python has no date for."""
REMAINDER = "spans_default"
"""Where spans of a day are that has no partition of its own."""


def name_of(day: date) -> str:
    """The name that the partition of a day has, if there is one."""
    return f"spans_{day:%Y%m%d}"


async def partition_of(connection: psycopg.AsyncConnection[Any], day: date) -> str:
    """The partition that takes the spans of a day.

    Spans are copied into partitions by name: ``COPY`` does not go together with row-level security, which the table has. Its
    partitions let nobody read, and a constraint holds their rows to the bound workspace.
    """
    cursor = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name_of(day)])
    row = await cursor.fetchone()
    return name_of(day) if row is not None and row[0] else REMAINDER
