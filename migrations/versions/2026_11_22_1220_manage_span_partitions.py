"""Make and drop the partitions of spans by functions, keep what is cited in one of its own, and find traces by their day."""

from alembic import op

revision = "0022"
down_revision = "0023"
branch_labels = None
depends_on = None

# Apart from the default partition, which has to be looked through whenever another one is attached and so must stay small.
KEPT = (
    "CREATE TABLE spans_kept PARTITION OF spans FOR VALUES FROM ('9999-12-31') TO (MAXVALUE)",
    "REVOKE ALL ON spans_kept FROM spectral_app",
    "GRANT INSERT ON spans_kept TO spectral_app",
)
# Who waits for one of these locks holds up everybody who comes after: better to give up soon and to come again.
CAREFUL = "SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '200ms'"
MAKE_ONE = f"""
CREATE FUNCTION make_span_partition(a_day date) RETURNS boolean LANGUAGE plpgsql {CAREFUL} AS $$
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
    EXECUTE format('CREATE TABLE public.%I (LIKE public.spans INCLUDING ALL)', made);
    EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, spectral_app', made);
    EXECUTE format('GRANT INSERT ON public.%I TO spectral_app', made);
    EXECUTE format('ALTER TABLE public.spans ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', made, a_day, a_day + 1);
    RETURN true;
END $$
"""
MAKE_AHEAD = f"""
CREATE FUNCTION make_span_partitions(days_ahead integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER {CAREFUL} AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    made integer := 0;
BEGIN
    IF days_ahead IS NULL OR days_ahead NOT BETWEEN 0 AND 31 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'partitions are made for the next 0 to 31 days';
    END IF;
    FOR ahead IN 0..days_ahead LOOP
        IF public.make_span_partition(today + ahead) THEN
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$
"""
HAS_TRACES = """
CREATE FUNCTION has_traces_of(a_day date) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM public.workspaces AS w
        WHERE EXISTS (SELECT FROM public.traces AS t WHERE t.workspace_id = w.id AND t.day = a_day)
    )
$$
"""
DROP_ONE = f"""
CREATE FUNCTION drop_span_partition(a_day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER {CAREFUL} AS $$
DECLARE
    expired text := 'spans_' || to_char(a_day, 'YYYYMMDD');
BEGIN
    IF a_day IS NULL OR a_day >= (now() AT TIME ZONE 'UTC')::date - 1 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'only partitions of days that are over for a day can be dropped';
    END IF;
    IF to_regclass('public.' || expired) IS NULL OR public.has_traces_of(a_day) THEN
        RETURN false;
    END IF;
    LOCK TABLE ONLY public.spans IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', expired);
    -- Spans are written under the lock of their trace, so where there is no trace nobody is writing.
    IF public.has_traces_of(a_day) THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE public.%I', expired);
    RETURN true;
END $$
"""
# Tells days and nothing of whose they are.
EXPIRED = r"""
CREATE FUNCTION expired_span_days(workspaces uuid[], kept_from date[]) RETURNS SETOF date
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH partition AS (
        SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.spans'::regclass AND c.relname ~ '^spans_[0-9]{8}$'
    ), policy AS (
        SELECT * FROM unnest(workspaces, kept_from) AS given(workspace_id, kept_from)
    )
    SELECT day FROM partition
    WHERE day < (SELECT max(kept_from) FROM policy) AND day < (now() AT TIME ZONE 'UTC')::date - 1 AND NOT EXISTS (
        SELECT FROM public.workspaces AS w
        WHERE EXISTS (SELECT FROM public.traces AS t WHERE t.workspace_id = w.id AND t.day = partition.day)
          AND NOT EXISTS (SELECT FROM policy WHERE policy.workspace_id = w.id AND partition.day < policy.kept_from)
    )
    ORDER BY day
$$
"""
FOR_THE_APPLICATION = (
    "make_span_partitions(integer)",
    "drop_span_partition(date)",
    "expired_span_days(uuid[], date[])",
)


def upgrade() -> None:
    for statement in (*KEPT, MAKE_ONE, MAKE_AHEAD, HAS_TRACES, DROP_ONE, EXPIRED):
        op.execute(statement)
    for function in (*FOR_THE_APPLICATION, "make_span_partition(date)", "has_traces_of(date)"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_THE_APPLICATION:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO spectral_app")
    op.create_index(op.f("ix_traces_workspace_id_day"), "traces", ["workspace_id", "day"])
