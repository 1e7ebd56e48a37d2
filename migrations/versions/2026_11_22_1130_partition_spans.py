"""Partition spans by the day on which their trace arrived, keep traces narrow, and keep count of them."""

import sqlalchemy as sa
from alembic import op

from spectral_platform.core.schema import tenant_policy

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

PREVIEW_CHARACTERS = 500
# What of a trace was told whole is found again by its text: the spans are told apart as the roll-up does it.
NAME_SPANS = f"""
UPDATE traces SET
    input_span_id = (
        SELECT span_id FROM spans_before AS s
        WHERE s.workspace_id = traces.workspace_id AND s.trace_id = traces.trace_id AND s.input IS NOT NULL
        ORDER BY parent_span_id IS NOT NULL, started_at, span_id LIMIT 1
    ),
    output_span_id = (
        SELECT span_id FROM spans_before AS s
        WHERE s.workspace_id = traces.workspace_id AND s.trace_id = traces.trace_id AND s.output IS NOT NULL
        ORDER BY parent_span_id IS NOT NULL, kind IN ('tool', 'retrieval', 'embedding', 'other'), ended_at DESC,
                 started_at DESC, span_id DESC
        LIMIT 1
    ),
    input = left(input, {PREVIEW_CHARACTERS}), output = left(output, {PREVIEW_CHARACTERS}),
    day = (created_at AT TIME ZONE 'UTC')::date
"""
CREATE_SPANS = """
CREATE TABLE spans (
    LIKE spans_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    day date NOT NULL,
    scope jsonb NOT NULL,
    otlp jsonb NOT NULL,
    digest bigint NOT NULL,
    CONSTRAINT pk_spans PRIMARY KEY (workspace_id, trace_id, span_id, day),
    CONSTRAINT ck_spans_tenant CHECK (
        CURRENT_USER <> 'spectral_app' OR workspace_id = nullif(current_setting('spectral.workspace_id', true), '')::uuid
    )
) PARTITION BY RANGE (day)
"""
# A partition is written by its name and read through the table alone, whose policy confines it to the tenant.
CREATE_DEFAULT = (
    "CREATE TABLE spans_default PARTITION OF spans DEFAULT",
    "REVOKE ALL ON spans_default FROM spectral_app",
    "GRANT INSERT ON spans_default TO spectral_app",
)
CREATE_DAYS = """
DO $$
DECLARE
    a_day date;
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    FOR a_day IN
        SELECT DISTINCT day FROM traces WHERE day > today - 400
        UNION SELECT day::date FROM generate_series(today, today + 7, '1 day') AS day
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF spans FOR VALUES FROM (%L) TO (%L)',
                       'spans_' || to_char(a_day, 'YYYYMMDD'), a_day, a_day + 1);
        EXECUTE format('REVOKE ALL ON %I FROM spectral_app', 'spans_' || to_char(a_day, 'YYYYMMDD'));
        EXECUTE format('GRANT INSERT ON %I TO spectral_app', 'spans_' || to_char(a_day, 'YYYYMMDD'));
    END LOOP;
END $$
"""
COUNT_TRACES = """
CREATE FUNCTION count_traces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A workspace that is being deleted takes its counts with it.
    INSERT INTO trace_counts AS known (workspace_id, slot, count)
    SELECT workspace_id, mod(pg_backend_pid(), 32), CASE TG_OP WHEN 'DELETE' THEN -count(*) ELSE count(*) END
    FROM changed
    WHERE EXISTS (SELECT FROM workspaces WHERE workspaces.id = changed.workspace_id)
    GROUP BY workspace_id
    ON CONFLICT (workspace_id, slot) DO UPDATE SET count = known.count + EXCLUDED.count;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.add_column("traces", sa.Column("day", sa.Date(), nullable=True))
    op.add_column("traces", sa.Column("input_span_id", sa.String(length=16, collation="C"), nullable=True))
    op.add_column("traces", sa.Column("output_span_id", sa.String(length=16, collation="C"), nullable=True))
    op.execute("ALTER TABLE spans RENAME TO spans_before")
    op.execute("ALTER TABLE spans_before DROP CONSTRAINT pk_spans, DROP CONSTRAINT fk_spans_trace")
    op.execute("CREATE INDEX ON spans_before (workspace_id, trace_id)")
    op.execute(NAME_SPANS)
    op.alter_column("traces", "day", nullable=False)
    op.execute(CREATE_SPANS)
    for statement in (*CREATE_DEFAULT, CREATE_DAYS):
        op.execute(statement)
    op.execute(
        """
        INSERT INTO spans SELECT s.*, t.day, '{}', '{}', 0
        FROM spans_before AS s JOIN traces AS t USING (workspace_id, trace_id)
        """
    )
    op.drop_table("spans_before")
    op.create_table(
        "trace_counts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_trace_counts_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "slot", name=op.f("pk_trace_counts")),
    )
    op.execute("INSERT INTO trace_counts SELECT workspace_id, 0, count(*) FROM traces GROUP BY workspace_id")
    op.execute(COUNT_TRACES)
    for operation, transition in (("INSERT", "NEW"), ("DELETE", "OLD")):
        op.execute(
            f"CREATE TRIGGER count_{operation.lower()} AFTER {operation} ON traces"
            f" REFERENCING {transition} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_traces()"
        )
    for table in ("spans", "trace_counts"):
        for statement in tenant_policy(table):
            op.execute(statement)
