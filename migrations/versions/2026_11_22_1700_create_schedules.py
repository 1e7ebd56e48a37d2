"""Create schedules of scans and their runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0037"
down_revision = "0040"
branch_labels = None
depends_on = None

UPKEEP = "current_setting('spectral.upkeep', true) = 'on'"
UNFINISHED = "status = 'waiting' OR (sla_due_at IS NOT NULL AND sla_settled_at IS NULL)"
OLD = "status <> 'waiting' AND created_at < now() - interval '89 days'"


def _states(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _owned(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        _moment("created_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f(f"fk_{table}_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f(f"fk_{table}_workspace_id"), ondelete="CASCADE"),
    ]


def upgrade() -> None:
    op.create_table(
        "scan_schedules",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("cron", sa.String(), nullable=True),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("quiet_hours", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("catch_up", _states("catch_up", "skip", "once"), nullable=False),
        sa.Column("sla_s", sa.Integer(), nullable=True),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("token_digest", sa.String(), nullable=False),
        sa.Column("token_prefix", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _moment("disabled_at"),
        sa.Column("disabled_reason", _states("disabled_reason", "requested", "failing"), nullable=True),
        _moment("next_due_at"),
        _moment("updated_at", nullable=False),
        *_owned("scan_schedules"),
        sa.CheckConstraint(
            "(disabled_at IS NULL) = (disabled_reason IS NULL)", name=op.f("ck_scan_schedules_disabled_for_a_reason")
        ),
        sa.CheckConstraint(
            "next_due_at IS NULL OR (disabled_at IS NULL AND cron IS NOT NULL)",
            name=op.f("ck_scan_schedules_due_by_the_clock"),
        ),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_scan_schedules_workspace_id_name")),
    )
    op.add_column("scans", sa.Column("schedule_id", sa.Uuid(), nullable=True))
    op.add_column("scans", _moment("notified_at"))
    op.create_foreign_key(op.f("fk_scans_schedule_id"), "scans", "scan_schedules", ["schedule_id"], ["id"], ondelete="SET NULL")
    op.create_index("ix_scans_schedule_id_created_at", "scans", ["schedule_id", "created_at"])
    op.create_table(
        "scan_schedule_runs",
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=True),
        sa.Column("trigger", _states("trigger", "manual", "schedule", "webhook", "supervisor", "chat"), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("status", _states("status", "waiting", "started", "skipped", "refused"), nullable=False),
        sa.Column(
            "reason",
            _states(
                "reason",
                "ready",
                "disabled",
                "no_cron",
                "workspace_closed",
                "quiet_hours",
                "scan_active",
                "run_waiting",
                "missed",
                "failing",
                "refused",
                "fault",
            ),
            nullable=True,
        ),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("overrides", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("variables", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        _moment("due_at", nullable=False),
        _moment("starts_at", nullable=False),
        _moment("ordered_at"),
        _moment("sla_due_at"),
        _moment("sla_settled_at"),
        _moment("sla_missed_at"),
        *_owned("scan_schedule_runs"),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["scan_schedules.id"], name=op.f("fk_scan_schedule_runs_schedule_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_scan_schedule_runs_scan_id"), ondelete="SET NULL"),
    )
    for table in ("scan_schedules", "scan_schedule_runs"):
        for column in ("account_id", "workspace_id"):
            op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
        for statement in tenant_policy(table):
            op.execute(statement)
    runs = "scan_schedule_runs"
    waiting, timed = sa.text("status = 'waiting'"), sa.text("sla_due_at IS NOT NULL AND sla_settled_at IS NULL")
    op.create_index(
        "ix_scan_schedules_next_due_at", "scan_schedules", ["next_due_at"], postgresql_where=sa.text("next_due_at IS NOT NULL")
    )
    op.create_index("uq_scan_schedule_runs_one_waiting", runs, ["schedule_id"], unique=True, postgresql_where=waiting)
    op.create_index("ix_scan_schedule_runs_starts_at", runs, ["starts_at"], postgresql_where=waiting)
    op.create_index("ix_scan_schedule_runs_sla_due_at", runs, ["sla_due_at"], postgresql_where=timed)
    op.create_index("ix_scan_schedule_runs_schedule_id_created_at", runs, ["schedule_id", "created_at"])
    op.create_index("ix_scan_schedule_runs_created_at", runs, ["created_at"])
    op.create_index(op.f("ix_scan_schedule_runs_scan_id"), runs, ["scan_id"])
    op.execute(f"CREATE POLICY upkeep ON scan_schedules FOR SELECT TO spectral_app USING (next_due_at IS NOT NULL AND {UPKEEP})")
    op.execute(
        f"CREATE POLICY upkeep ON scan_schedule_runs FOR SELECT TO spectral_app USING (({UNFINISHED} OR ({OLD})) AND {UPKEEP})"
    )
    op.execute(f"CREATE POLICY upkeep_delete ON scan_schedule_runs FOR DELETE TO spectral_app USING ({OLD} AND {UPKEEP})")
