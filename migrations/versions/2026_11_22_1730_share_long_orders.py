"""Share the places for long orders between tenants: the one that runs least and was served longest ago is next."""

from alembic import op

revision = "0043"
down_revision = "0037"
branch_labels = None
depends_on = None

TURNS = """
CREATE TABLE queue_turns (
    tenant_id uuid CONSTRAINT pk_queue_turns PRIMARY KEY,
    taken_at timestamptz NOT NULL
)
"""
TENANT = """
CREATE FUNCTION queue_tenant(args jsonb) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN coalesce(args #>> '{work,workspace_id}', args #>> '{work,account_id}')::uuid
"""
# One who takes at a time: who counted beside another one would find a place free twice. An order whose lock is held, or whose
# lock an earlier order waits for, is passed over, as procrastinate_fetch_job_v2 does.
TAKE = """
CREATE FUNCTION queue_take_in_turn(lane text, worker bigint, most_for_each integer) RETURNS procrastinate_jobs
LANGUAGE plpgsql AS $$
DECLARE
    taken procrastinate_jobs;
BEGIN
    PERFORM pg_advisory_xact_lock('queue_turns'::regclass::oid::bigint);
    WITH running AS (
        SELECT queue_tenant(args) AS tenant_id, count(*) AS orders
        FROM procrastinate_jobs WHERE status = 'doing' AND queue_name = lane GROUP BY 1
    ), candidate AS (
        SELECT job.id
        FROM procrastinate_jobs AS job
        LEFT JOIN running ON running.tenant_id = queue_tenant(job.args)
        LEFT JOIN queue_turns AS turn ON turn.tenant_id = queue_tenant(job.args)
        WHERE job.status = 'todo' AND job.queue_name = lane AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
            AND coalesce(running.orders, 0) < most_for_each
            AND NOT EXISTS (
                SELECT FROM procrastinate_jobs AS other
                WHERE job.lock IS NOT NULL AND other.lock = job.lock AND (
                    other.status = 'doing'
                    OR other.status = 'todo' AND (-other.priority, other.id) < (-job.priority, job.id)
                )
            )
        ORDER BY coalesce(running.orders, 0), turn.taken_at NULLS FIRST, job.priority DESC, job.id
        LIMIT 1 FOR UPDATE OF job SKIP LOCKED
    )
    UPDATE procrastinate_jobs AS job SET status = 'doing', worker_id = worker
    FROM candidate WHERE job.id = candidate.id RETURNING job.* INTO taken;
    IF taken.id IS NOT NULL THEN
        INSERT INTO queue_turns VALUES (queue_tenant(taken.args), clock_timestamp())
        ON CONFLICT (tenant_id) DO UPDATE SET taken_at = excluded.taken_at;
    END IF;
    RETURN taken;
END $$
"""


def upgrade() -> None:
    for statement in (TURNS, TENANT, TAKE):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION queue_take_in_turn")
    op.execute("DROP FUNCTION queue_tenant")
    op.drop_table("queue_turns")
