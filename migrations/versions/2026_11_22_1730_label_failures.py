"""Find failed traces by their labels, and traces by words that most of them say."""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

LABELS_OF = """
CREATE FUNCTION labels_of(models text[], tags text[], status text) RETURNS TABLE (kind text, label text)
LANGUAGE sql IMMUTABLE AS $$
    SELECT state || kind, label
    FROM (
        SELECT DISTINCT 'model' AS kind, left(model, 200) AS label FROM unnest(models) AS model
        UNION ALL
        SELECT DISTINCT 'tag', left(tag, 200) FROM unnest(tags) AS tag
    ) AS has
    CROSS JOIN unnest(CASE status WHEN 'error' THEN ARRAY['', 'failed '] ELSE ARRAY[''] END) AS state
$$
"""
LABEL_TRACES = """
CREATE OR REPLACE FUNCTION label_traces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO trace_labels (workspace_id, kind, label, started_at, trace_id)
        SELECT workspace_id, kind, label, started_at, trace_id FROM after, labels_of(models, tags, status);
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM trace_labels AS labels USING before, labels_of(before.models, before.tags, before.status) AS had
        WHERE (labels.workspace_id, labels.kind, labels.label, labels.started_at, labels.trace_id)
            = (before.workspace_id, had.kind, had.label, before.started_at, before.trace_id);
    ELSE
        DELETE FROM trace_labels AS labels USING before JOIN after USING (workspace_id, trace_id),
            labels_of(before.models, before.tags, before.status) AS had
        WHERE (before.models, before.tags, before.started_at, before.status)
                IS DISTINCT FROM (after.models, after.tags, after.started_at, after.status)
          AND (labels.workspace_id, labels.kind, labels.label, labels.started_at, labels.trace_id)
            = (before.workspace_id, had.kind, had.label, before.started_at, before.trace_id);
        INSERT INTO trace_labels (workspace_id, kind, label, started_at, trace_id)
        SELECT after.workspace_id, has.kind, has.label, after.started_at, after.trace_id
        FROM before JOIN after USING (workspace_id, trace_id), labels_of(after.models, after.tags, after.status) AS has
        WHERE (before.models, before.tags, before.started_at, before.status)
            IS DISTINCT FROM (after.models, after.tags, after.started_at, after.status);
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute(LABELS_OF)
    op.execute(LABEL_TRACES)
    op.execute("DROP FUNCTION labels_of(text[], text[])")
    op.execute(
        "INSERT INTO trace_labels (workspace_id, kind, label, started_at, trace_id)"
        " SELECT workspace_id, kind, label, started_at, trace_id FROM traces, labels_of(models, tags, status)"
        " WHERE status = 'error' AND starts_with(kind, 'failed ')"
    )
    op.create_index("ix_trace_words_workspace_id", "trace_words", ["workspace_id"])
