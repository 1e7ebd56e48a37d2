"""Find traces by the models that they called, by their tags and by what they cost."""

import sqlalchemy as sa
from alembic import op

from spectral_platform.core.schema import tenant_policy

revision = "0034"
down_revision = "0036"
branch_labels = None
depends_on = None

# A label is as long as an index may have it: what is longer is told apart on the trace itself.
LABELS_OF = """
CREATE FUNCTION labels_of(models text[], tags text[]) RETURNS TABLE (kind text, label text) LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT 'model', left(model, 200) FROM unnest(models) AS model
    UNION ALL
    SELECT DISTINCT 'tag', left(tag, 200) FROM unnest(tags) AS tag
$$
"""
LABEL_TRACES = """
CREATE FUNCTION label_traces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO trace_labels (workspace_id, kind, label, started_at, trace_id)
        SELECT workspace_id, kind, label, started_at, trace_id FROM after, labels_of(models, tags);
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM trace_labels AS labels USING before, labels_of(before.models, before.tags) AS had
        WHERE (labels.workspace_id, labels.kind, labels.label, labels.started_at, labels.trace_id)
            = (before.workspace_id, had.kind, had.label, before.started_at, before.trace_id);
    ELSE
        DELETE FROM trace_labels AS labels USING before JOIN after USING (workspace_id, trace_id),
            labels_of(before.models, before.tags) AS had
        WHERE (before.models, before.tags, before.started_at) IS DISTINCT FROM (after.models, after.tags, after.started_at)
          AND (labels.workspace_id, labels.kind, labels.label, labels.started_at, labels.trace_id)
            = (before.workspace_id, had.kind, had.label, before.started_at, before.trace_id);
        INSERT INTO trace_labels (workspace_id, kind, label, started_at, trace_id)
        SELECT after.workspace_id, has.kind, has.label, after.started_at, after.trace_id
        FROM before JOIN after USING (workspace_id, trace_id), labels_of(after.models, after.tags) AS has
        WHERE (before.models, before.tags, before.started_at) IS DISTINCT FROM (after.models, after.tags, after.started_at);
    END IF;
    RETURN NULL;
END $$
"""
TRANSITIONS = {
    "INSERT": "NEW TABLE AS after",
    "DELETE": "OLD TABLE AS before",
    "UPDATE": "OLD TABLE AS before NEW TABLE AS after",
}


def upgrade() -> None:
    op.create_table(
        "trace_labels",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("label", sa.String(collation="C"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "kind", "label", "started_at", "trace_id", name=op.f("pk_trace_labels")),
    )
    op.execute(LABELS_OF)
    op.execute(
        "INSERT INTO trace_labels (workspace_id, kind, label, started_at, trace_id)"
        " SELECT workspace_id, kind, label, started_at, trace_id FROM traces, labels_of(models, tags)"
    )
    op.execute(LABEL_TRACES)
    for operation, tables in TRANSITIONS.items():
        op.execute(
            f"CREATE TRIGGER label_{operation.lower()} AFTER {operation} ON traces"
            f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION label_traces()"
        )
    for statement in tenant_policy("trace_labels"):
        op.execute(statement)
    # Counting by an index alone needs pages that are known to be visible.
    op.execute(
        "ALTER TABLE trace_labels SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)"
    )
    op.drop_index("ix_traces_cost_usd", "traces")
    op.execute("CREATE INDEX ix_traces_cost_usd ON traces (workspace_id, coalesce(cost_usd, -1), trace_id) INCLUDE (cost_usd)")
