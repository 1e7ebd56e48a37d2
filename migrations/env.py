"""Runs the migrations: one transaction each, never waiting long for a lock that live traffic holds."""

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from spectral_platform.core.settings import Settings
from spectral_platform.tables import metadata

LOCK_TIMEOUT = "5s"


def run(connection: Connection) -> None:
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_server_default=False,
        include_name=lambda name, kind, parents: (
            kind != "table" or not (name or "").startswith(("procrastinate_", "queue_", "spans_"))
        ),
    )
    with context.begin_transaction():
        context.run_migrations()


connection: Connection | None = context.config.attributes.get("connection")
if connection is not None:
    run(connection)
else:
    settings = Settings()
    engine = create_engine(str(settings.database_url), poolclass=pool.NullPool)
    with engine.connect() as own_connection:
        run(own_connection)
