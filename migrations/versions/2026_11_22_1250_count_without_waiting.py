"""Count traces in whichever slot is free: who holds a trace and waited for a counter could wait for who waits for the trace."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

COUNT_TRACES = """
CREATE OR REPLACE FUNCTION count_traces() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change record;
BEGIN
    -- A workspace that is being deleted takes its counts with it.
    FOR change IN
        SELECT workspace_id, CASE TG_OP WHEN 'DELETE' THEN -count(*) ELSE count(*) END AS number
        FROM changed
        WHERE EXISTS (SELECT FROM workspaces WHERE workspaces.id = changed.workspace_id)
        GROUP BY workspace_id
    LOOP
        UPDATE trace_counts SET count = count + change.number
        WHERE workspace_id = change.workspace_id AND slot = (
            SELECT slot FROM trace_counts WHERE workspace_id = change.workspace_id LIMIT 1 FOR UPDATE SKIP LOCKED
        );
        IF NOT FOUND THEN
            INSERT INTO trace_counts AS known (workspace_id, slot, count)
            VALUES (change.workspace_id, floor(random() * 2147483647), change.number)
            ON CONFLICT (workspace_id, slot) DO UPDATE SET count = known.count + EXCLUDED.count;
        END IF;
    END LOOP;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute(COUNT_TRACES)
