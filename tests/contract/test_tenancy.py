"""Tenancy in the database itself: what a query that forgot its tenant, or asks for another's, can see."""

from typing import Any, LiteralString, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from spectral_platform.core import clock, schema
from spectral_platform.core.database import APPLICATION_ROLE, Database
from spectral_platform.worlds.readings import Reading, confine

TENANT_TABLES = """
    SELECT c.oid::regclass::text AS name, array_agg(a.attname::text) AS owners, c.relrowsecurity AS is_confined,
           c.relispartition AS is_partition
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('workspace_id', 'account_id') AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p')
    GROUP BY c.oid ORDER BY 1
"""
POLICIES = """
    SELECT tablename, policyname, cmd, roles::text[], qual, with_check FROM pg_policies WHERE schemaname = 'public'
"""
CONSTRAINTS = """
    SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c', 'f') AND conislocal
"""
PARTITIONS = """
    SELECT c.relname::text,
           array(
               SELECT right_name FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
                   AS right_name
               WHERE has_table_privilege('spectral_app', c.oid, right_name)
                  OR (right_name IN ('SELECT', 'UPDATE') AND has_any_column_privilege('spectral_app', c.oid, right_name))
           ),
           EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND conname = 'ck_spans_tenant' AND convalidated)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE c.relkind IN ('r', 'p')
"""
DEFINERS = {"make_span_partitions", "drop_span_partition", "expired_span_days"}
"""Functions with the rights of the schema's owner. May only shrink."""
COLUMNS = """
    SELECT column_name, data_type, udt_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = %s AND is_nullable = 'NO' AND column_default IS NULL
      AND is_identity = 'NO' AND is_generated = 'NEVER'
"""
VALUES: dict[str, LiteralString] = {
    "uuid": "gen_random_uuid()",
    "text": "'x'",
    "character varying": "'x'",
    "timestamp with time zone": "now()",
    "date": "now()",
    "bytea": "'x'",
    "boolean": "true",
    "jsonb": "'{}'",
    "ARRAY": "'{}'",
    "integer": "1",
    "bigint": "1",
    "smallint": "1",
    "numeric": "1",
    "double precision": "1",
    "real": "1",
    "tsvector": "'x'",
}


@pytest.fixture
def tables(superuser: psycopg.Connection) -> list[dict[str, Any]]:
    """Every table whose rows say whose they are."""
    with superuser.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(TENANT_TABLES).fetchall()


def plant(superuser: psycopg.Connection, table: str, owners: dict[str, UUID]) -> None:
    """A row of the owners' in a table, whatever it has in its other columns."""
    name = sql.Identifier(table)
    superuser.execute("SET session_replication_role = replica")  # triggers have their own word about rows
    for (constraint,) in superuser.execute(CONSTRAINTS, [table]).fetchall():
        superuser.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(name, sql.Identifier(constraint)))
    needed = {column: kind for column, kind, _ in superuser.execute(COLUMNS, [table]).fetchall()}
    values: dict[str, sql.Composable] = {column: sql.SQL(VALUES[kind]) for column, kind in needed.items()}
    values |= {column: sql.Literal(owner) for column, owner in owners.items()}
    columns = sql.SQL(", ").join(map(sql.Identifier, values))
    row = sql.SQL(", ").join(values.values())
    superuser.execute(sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(name, columns, row))


async def count(database: Database, table: str, **tenant: UUID) -> int:
    """How many rows of a table the application sees when it is bound to a tenant, or to none."""
    async with database.transaction(**tenant) as session:
        await session.execute(text("SELECT set_config('spectral.search', 'x', true)"))  # words are seen by who searches for them
        await confine(session, Reading.REGISTRY)  # and splits by who keeps them
        return int((await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def changed(database: Database, statement: str, **tenant: UUID) -> int:
    """How many rows a statement touches; none where the application may not run it at all."""
    try:
        async with database.transaction(**tenant) as session:
            return int(cast("Any", await session.execute(text(statement))).rowcount)
    except ProgrammingError as refused:
        if isinstance(refused.orig, psycopg.errors.InsufficientPrivilege):
            return 0
        raise


@pytest.fixture
def planted(superuser: psycopg.Connection, tables: list[dict[str, Any]]) -> dict[str, UUID]:
    """A tenant with a row in every table, in a database that has nothing else."""
    tenant = {"account_id": uuid4(), "workspace_id": uuid4()}
    for table in tables:
        if not table["is_partition"]:
            plant(superuser, table["name"], {column: tenant[column] for column in table["owners"]})
    plant(superuser, "accounts", {"id": tenant["account_id"]})
    return tenant


def test_every_table_of_tenants_is_confined_to_the_bound_tenant(
    superuser: psycopg.Connection, tables: list[dict[str, Any]]
) -> None:
    policies = superuser.execute(POLICIES).fetchall()
    covered = {
        table
        for table, _, command, roles, condition, check in policies
        if command == "ALL" and APPLICATION_ROLE in roles and condition and check and "current_setting" in check
    }

    assert {table["name"] for table in tables} >= {"agents", "api_keys", "login_sessions", "refresh_tokens", "spans", "traces"}
    reached = {table["name"] for table in tables if not table["is_partition"]}
    assert {table["name"] for table in tables if not table["is_confined"]} & reached == set()
    assert reached - covered == set()
    assert all("true" not in (condition, check) for *_, condition, check in policies)


def test_nothing_reads_around_the_policies(superuser: psycopg.Connection) -> None:
    views = superuser.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
    )
    definers = superuser.execute(
        "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    ).fetchall()

    assert views.fetchall() == []
    assert {name for name, _ in definers} == DEFINERS
    assert all("search_path=pg_catalog, public, pg_temp" in settings for _, settings in definers)


def test_partitions_can_only_be_written_to_and_only_for_the_bound_tenant(superuser: psycopg.Connection) -> None:
    """Row-level security does not watch who names a partition instead of its table."""
    partitions = superuser.execute(PARTITIONS).fetchall()

    assert {name for name, *_ in partitions} >= {"spans_default", "spans_kept", f"spans_{clock.now():%Y%m%d}"}
    assert {name for name, rights, _ in partitions if rights != ["INSERT"]} == set()
    assert {name for name, _, is_checked in partitions if not is_checked} == set()


@pytest.mark.own_database
async def test_a_partition_takes_no_row_of_another_tenant_and_shows_none(
    database: Database, tables: list[dict[str, Any]], planted: dict[str, UUID]
) -> None:
    names = [table["name"] for table in tables if table["is_partition"]]
    assert len(names) > 2
    for name in names:
        for refused, message in (
            (f"SELECT count(*) FROM {name}", "permission denied"),
            (f"UPDATE {name} SET name = 'x'", "permission denied"),
            (f"DELETE FROM {name}", "permission denied"),
            (f"TRUNCATE {name}", "permission denied"),
            (f"DROP TABLE {name}", "must be owner"),
            (f"ALTER TABLE spans DETACH PARTITION {name}", "must be owner"),
            (f"INSERT INTO {name} (workspace_id) VALUES ('{planted['workspace_id']}')", "ck_spans_tenant|not-null"),
        ):
            with pytest.raises((ProgrammingError, IntegrityError), match=message):
                async with database.transaction(account_id=uuid4(), workspace_id=uuid4()) as session:
                    await session.execute(text(refused))


@pytest.mark.own_database
async def test_the_application_makes_and_drops_no_partitions_but_those_it_may(database: Database) -> None:
    for refused, message in (
        ("SELECT make_span_partitions(1000)", "next 0 to 31 days"),
        ("SELECT make_span_partitions(NULL)", "next 0 to 31 days"),
        ("SELECT make_span_partition('2020-01-01')", "permission denied"),
        ("SELECT drop_span_partition(current_date)", "over for a day"),
        ("SELECT drop_span_partition('9999-12-31')", "over for a day"),
        ("SELECT drop_span_partition(NULL)", "over for a day"),
    ):
        with pytest.raises(DBAPIError, match=message):
            async with database.transaction() as session:
                await session.execute(text(refused))


@pytest.mark.own_database
async def test_another_tenant_sees_and_changes_nothing(
    database: Database, tables: list[dict[str, Any]], planted: dict[str, UUID]
) -> None:
    other = {"account_id": uuid4(), "workspace_id": uuid4()}
    for name in [table["name"] for table in tables if not table["is_partition"]]:
        assert await count(database, name, **planted) >= 1, name
        assert await count(database, name, **other) == 0, name
        assert await count(database, name) == 0, name
        assert await changed(database, f"DELETE FROM {name}", **other) == 0, name
        assert await count(database, name, **planted) >= 1, name


@pytest.mark.own_database
async def test_a_tenant_cannot_give_its_rows_to_another(
    database: Database, superuser: psycopg.Connection, planted: dict[str, UUID]
) -> None:
    for table, _, _, _, _, check in superuser.execute(POLICIES).fetchall():
        if check is None or "spectral.upkeep" in check:  # a policy of reading alone, or of no tenant
            continue
        column = check.strip("( ").split(" = ")[0]
        async with database.transaction(**planted) as session:
            with pytest.raises(ProgrammingError, match=r"row-level security|permission denied"):
                await session.execute(text(f"UPDATE {table} SET {column} = gen_random_uuid()"))


@pytest.mark.own_database
@pytest.mark.parametrize("escape", ["RESET ROLE", "RESET ALL", "SET row_security = off"])
async def test_resetting_the_role_does_not_help(escape: str, database: Database, planted: dict[str, UUID]) -> None:
    async with database.transaction() as session:
        await session.execute(text(escape))
        assert (await session.execute(text("SELECT current_user"))).scalar_one() == APPLICATION_ROLE
        if escape == "SET row_security = off":
            with pytest.raises(ProgrammingError, match="row-level security"):
                await session.execute(text("SELECT count(*) FROM agents"))
        else:
            assert (await session.execute(text("SELECT count(*) FROM agents"))).scalar_one() == 0


@pytest.mark.own_database
async def test_where_the_application_logs_in_by_itself_there_is_no_role_to_go_back_to(
    database_url: str, planted: dict[str, UUID]
) -> None:
    opened = Database(schema.application_login(database_url))
    async with opened.transaction() as session:
        for escape in ("SET ROLE NONE", "RESET ROLE", "RESET SESSION AUTHORIZATION"):
            await session.execute(text(escape))
            assert (await session.execute(text("SELECT current_user"))).scalar_one() == APPLICATION_ROLE
            assert (await session.execute(text("SELECT count(*) FROM agents"))).scalar_one() == 0
        with pytest.raises(ProgrammingError, match="permission denied"):
            await session.execute(text("SET SESSION AUTHORIZATION postgres"))
    await opened.close()


async def test_the_application_role_has_no_power_of_its_own(database: Database) -> None:
    async with database.transaction() as session:
        powers = await session.execute(
            text(
                "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
                " FROM pg_roles WHERE rolname = current_user"
            )
        )
        owned = await session.execute(text("SELECT count(*) FROM pg_class WHERE relowner = to_regrole(current_user)"))
        others = await session.execute(
            text("SELECT rolname FROM pg_roles WHERE rolname <> current_user AND pg_has_role(current_user, oid, 'MEMBER')")
        )
        may_create = await session.execute(text("SELECT has_schema_privilege('public', 'CREATE')"))

        assert powers.one() == (False,) * 5
        assert owned.scalar_one() == 0
        assert others.all() == []
        assert may_create.scalar_one() is False


async def test_the_audit_log_can_only_grow(database: Database) -> None:
    async with database.transaction() as session:
        for action in ("UPDATE", "DELETE", "TRUNCATE"):
            allowed = await session.execute(text(f"SELECT has_table_privilege('audit_entries', '{action}')"))
            assert allowed.scalar_one() is False, action
