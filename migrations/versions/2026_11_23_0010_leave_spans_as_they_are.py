"""Leave rows of spans as they are while two of them fit on a page; only larger ones are compressed.

Postgres tries to compress every row of more than two kilobytes, which is what spans with a question and an answer have. That took
between a fifth and a half of the time of copying them. The price is space: such rows take 10 to 60 % more of it. What is stored
already stays as it is.
"""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

HALF_A_PAGE = "toast_tuple_target = 4080"
CAREFUL = "SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '200ms'"
MAKE_ONE = """
CREATE OR REPLACE FUNCTION make_span_partition(a_day date) RETURNS boolean LANGUAGE plpgsql {careful} AS $$
DECLARE
    made text := 'spans_' || to_char(a_day, 'YYYYMMDD');
BEGIN
    IF to_regclass('public.' || made) IS NOT NULL THEN
        RETURN false;
    END IF;
    LOCK TABLE ONLY public.spans IN SHARE UPDATE EXCLUSIVE MODE;  -- one maker at a time
    IF to_regclass('public.' || made) IS NOT NULL THEN
        RETURN false;
    END IF;
    LOCK TABLE public.spans_default IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM public.spans_default WHERE day = a_day) THEN
        RETURN false;  -- what has begun there stays there: it is read and expires as elsewhere
    END IF;
    -- Attached, not created as a partition: that would lock out everybody who reads or writes spans.
    EXECUTE format('CREATE TABLE public.%I (LIKE public.spans INCLUDING ALL) {options}', made);
    EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, spectral_app', made);
    EXECUTE format('GRANT INSERT ON public.%I TO spectral_app', made);
    EXECUTE format('ALTER TABLE public.spans ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', made, a_day, a_day + 1);
    RETURN true;
END $$
"""
FOR_ALL = """
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'public.spans'::regclass LOOP
        EXECUTE format('ALTER TABLE %s {change}', partition);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(MAKE_ONE.format(careful=CAREFUL, options=f"WITH ({HALF_A_PAGE})"))
    op.execute(FOR_ALL.format(change=f"SET ({HALF_A_PAGE})"))


def downgrade() -> None:
    op.execute(FOR_ALL.format(change="RESET (toast_tuple_target)"))
    op.execute(MAKE_ONE.format(careful=CAREFUL, options=""))
