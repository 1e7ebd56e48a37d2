"""Whose rows a table holds, read off the metadata: a new table is exported and erased with the others without a word here."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ForeignKeyConstraint, Table

from spectral_platform.tables import metadata


class Owner(StrEnum):
    """By what the rows of an account are found in a table."""

    ACCOUNT = "account"
    WORKSPACE = "workspace"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Holding:
    """A table with rows of accounts, and by which condition on ``:account_id`` or ``:workspace_id`` an owner's are found."""

    table: Table
    owner: Owner
    condition: str

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return tuple(column.name for column in self.table.primary_key)


LEFT_OUT: dict[str, str] = {
    "login_sessions": "a session is with one server",
    "refresh_tokens": "likewise",
    "password_resets": "a link that was mailed is good for an hour, on one server",
    "kept_answers": "kept for a day under the secrets of a server and of a caller, and nobody's without those",
    "failed_attempts": "how often a server refused somebody",
    "rate_windows": "how much of a limit is used up on a server, within a minute or an hour",
    "oauth_logins": "a login that is under way lasts minutes, and belongs to nobody yet",
    "trace_words": "every server takes the words of its traces from their texts",
    "trace_words_due": "likewise",
    "trace_labels": "likewise, from what the traces themselves say",
}
"""Tables that an export leaves out, and why."""

LEFT_OUT_COLUMNS: dict[tuple[str, str], str] = {
    ("users", "password_hash"): "hashes are there to be cracked; people set a new password on the new server",
}
"""Columns that an export leaves out, and why; all of them may be null."""

SEALED: dict[str, str] = {
    "holdout_registries": "the key that tells which samples are holdout",
    "case_splits": "which samples are holdout",
    "holdout_exposures": "likewise",
    "model_calls": "the answers on the holdout are among them",
    "scan_documents": "the results on the holdout are among them",
}
"""Tables whose rows nobody but a server may read, and why: they travel sealed under the server's secret."""

MEMBERS = "SELECT user_id FROM account_members WHERE account_id = :account_id"
"""The people of an account."""


def holding_of(table: Table) -> Holding | None:
    """How the rows of an account are found in a table; None where it has none of its own."""
    columns = table.c
    if table.name == "accounts":
        return Holding(table, Owner.ACCOUNT, "id = :account_id")
    if table.name == "users":
        return Holding(table, Owner.PERSON, f"id IN ({MEMBERS})")
    if "workspace_id" in columns and not columns.workspace_id.nullable:
        return Holding(table, Owner.WORKSPACE, "workspace_id = :workspace_id")
    if "account_id" in columns:
        return Holding(table, Owner.ACCOUNT, "account_id = :account_id")
    if any(key.column.table.name == "users" for key in table.foreign_keys) and "user_id" in columns:
        return Holding(table, Owner.PERSON, f"user_id IN ({MEMBERS})")
    return None


def holdings() -> list[Holding]:
    """Every table with rows of accounts, those that others refer to first."""
    return [holding for table in metadata.sorted_tables if (holding := holding_of(table)) is not None]


def exported() -> list[Holding]:
    """The tables of an export."""
    return [holding for holding in holdings() if holding.table.name not in LEFT_OUT]


def exported_columns(table: Table) -> list[str]:
    """The columns of an exported row."""
    return [column.name for column in table.columns if (table.name, column.name) not in LEFT_OUT_COLUMNS]


def forward_references() -> Iterator[ForeignKeyConstraint]:
    """Foreign keys to rows that may come later than those that refer to them."""
    places = {table.name: place for place, table in enumerate(metadata.sorted_tables)}
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            if places[key.referred_table.name] >= places[table.name]:
                yield key
