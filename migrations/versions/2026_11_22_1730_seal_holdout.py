"""Let no transaction see the sealed holdout but one that says what for, and for a verdict only once a finalist is frozen."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0041"
branch_labels = None
depends_on = None

READING = "coalesce(current_setting('spectral.reading', true), '')"
# A scan that has frozen its finalist and not ended: from here on nothing that it learns can change what is judged.
FROZEN = """EXISTS (
    SELECT FROM scan_candidates JOIN scans ON scans.id = scan_candidates.scan_id
    WHERE scans.id = nullif(current_setting('spectral.scan_id', true), '')::uuid
      AND scan_candidates.fate = 'finalist' AND scans.status IN ('running', 'cancelling')
)"""
SPLITS = f"""{READING} = 'registry'
    OR (split = 'train' AND {READING} IN ('train', 'dev', 'holdout'))
    OR (split = 'dev' AND {READING} IN ('dev', 'holdout'))
    OR (split = 'holdout' AND {READING} = 'holdout' AND {FROZEN})"""
OWN_SPLIT = """EXISTS (
    SELECT FROM case_splits s
    WHERE s.workspace_id = published_samples.workspace_id AND s.content_group = published_samples.content_group
)"""
POLICIES = {
    "holdout_registries": f"{READING} = 'registry'",
    "holdout_exposures": f"{READING} = 'registry' OR ({READING} = 'holdout' AND {FROZEN})",
    "case_splits": SPLITS,
    "published_samples": f"{READING} IN ('', 'registry') OR {OWN_SPLIT}",
    "samples": f"{READING} IN ('', 'registry')",
    "model_calls": f"NOT is_sealed OR {READING} IN ('', 'registry') OR ({READING} = 'holdout' AND {FROZEN})",
}


def upgrade() -> None:
    op.add_column("model_calls", sa.Column("is_sealed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.alter_column("model_calls", "is_sealed", server_default=None)
    for table, condition in POLICIES.items():
        op.execute(f"CREATE POLICY sealed ON {table} AS RESTRICTIVE FOR SELECT TO spectral_app USING ({condition})")
