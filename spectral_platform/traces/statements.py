"""The statements by which spans are stored and their traces kept up to date."""

from spectral_platform.traces.rollup import SpanFacts

SLOTS = 32
PREVIEW_CHARACTERS = 500
TAG_SEPARATOR = "\x1f"

# How the columns of a trace travel in arrays. Arrays of arrays must be rectangular, so lists of texts travel as one text.
SUMMARY = {
    "trace_id": "text",
    "name": "text",
    "workflow": "text",
    "agent_id": "uuid",
    "agent_name": "text",
    "session_id": "text",
    "user_id": "text",
    "config_version": "int4",
    "started_at": "timestamptz",
    "duration_ms": "int8",
    "status": "text",
    "span_count": "int4",
    "models": "text",
    "tags": "text",
    "input_tokens": "int8",
    "output_tokens": "int8",
    "total_tokens": "int8",
    "cost_usd": "numeric",
    "unpriced_spans": "int4",
    "input_span_id": "text",
    "output_span_id": "text",
    "input": "text",
    "output": "text",
}
LISTS = ("models", "tags")
_READ = ", ".join(f"string_to_array({name}, chr(31)) AS {name}" if name in LISTS else name for name in SUMMARY)
_ARRAYS = ", ".join(f"%({name})b::{kind}[]" for name, kind in SUMMARY.items())
_SENT = f"(SELECT {_READ} FROM unnest({_ARRAYS}) AS sent({', '.join(SUMMARY)})) AS sent"
_ARE_DUE = "INSERT INTO trace_words_due (workspace_id, trace_id) SELECT %(workspace_id)b, trace_id FROM"
"""What begins or changes has words that are not indexed yet."""
_PUT = f"""
    INSERT INTO traces (workspace_id, day, feedback_count, created_at, updated_at, {", ".join(SUMMARY)})
    SELECT %(workspace_id)b, %(day)b, 0, %(now)b, %(now)b, {", ".join(SUMMARY)} FROM {_SENT}
    ORDER BY trace_id COLLATE "C"
"""
BEGIN_TRACES = f"""
WITH begun AS (
    {_PUT}
    ON CONFLICT DO NOTHING
    RETURNING trace_id
),
due AS ({_ARE_DUE} begun)
SELECT trace_id FROM begun
"""
# Of each trace by itself, in the order of the key, of which one trace is a range: any other index would have to be sorted. Asked
# for all at once, or by an id that is equal, the planner would read the workspace along whatever index, as long as it takes that
# for small: what has begun since statistics were last gathered always is.
_BY_KEY = "workspace_id = %(workspace_id)b AND trace_id BETWEEN asked.trace_id AND asked.trace_id ORDER BY trace_id"
KNOWN_TRACES = f"""
SELECT known.* FROM unnest(%(trace_ids)b::text[]) AS asked(trace_id)
CROSS JOIN LATERAL (SELECT trace_id, day FROM traces WHERE {_BY_KEY}) AS known
"""
LOCK_TRACES = f"""
SELECT locked.* FROM (SELECT trace_id FROM unnest(%(trace_ids)b::text[]) AS trace_id ORDER BY trace_id COLLATE "C") AS asked
CROSS JOIN LATERAL (
    SELECT trace_id, day, input_span_id, output_span_id, input, output FROM traces WHERE {_BY_KEY} FOR NO KEY UPDATE
) AS locked
"""
ERASED_TRACES = """
SELECT trace_id FROM erased_traces WHERE workspace_id = %(workspace_id)b AND trace_id = ANY(%(trace_ids)b::text[])
"""
TAKE_BACK_TRACES = """
DELETE FROM traces WHERE workspace_id = %(workspace_id)b AND trace_id = ANY(%(trace_ids)b::text[]) RETURNING trace_id
"""
_FACTS = ", ".join(
    {"has_input": "input IS NOT NULL", "has_output": "output IS NOT NULL"}.get(name, name) for name in SpanFacts._fields
)
STORED_FACTS = f"""
SELECT trace_id, {_FACTS} FROM spans
WHERE workspace_id = %(workspace_id)b AND day = ANY(%(days)b::date[]) AND trace_id = ANY(%(trace_ids)b::text[])
"""
DROP_THINNER = """
DELETE FROM spans USING unnest(%(days)b::date[], %(trace_ids)b::text[], %(span_ids)b::text[]) AS thin(day, trace_id, span_id)
WHERE spans.workspace_id = %(workspace_id)b
  AND spans.day = thin.day AND spans.trace_id = thin.trace_id AND spans.span_id = thin.span_id
"""
PREVIEWS = f"""
SELECT shown.* FROM unnest(%(trace_ids)b::text[], %(span_ids)b::text[]) AS asked(trace_id, span_id) CROSS JOIN LATERAL (
    SELECT trace_id, span_id, left(input, {PREVIEW_CHARACTERS}), left(output, {PREVIEW_CHARACTERS}) FROM spans
    WHERE workspace_id = %(workspace_id)b AND day = ANY(%(days)b::date[])
      AND trace_id = asked.trace_id AND span_id = asked.span_id OFFSET 0
) AS shown
"""
_COMPUTED = ", ".join(f"{name} = EXCLUDED.{name}" for name in ("updated_at", *SUMMARY) if name != "trace_id")
UPDATE_TRACES = f"""
WITH changed AS (
    {_PUT}
    ON CONFLICT (workspace_id, trace_id) DO UPDATE SET {_COMPUTED}
    RETURNING trace_id
)
{_ARE_DUE} changed
"""
"""They are there, and locked: an insertion that meets them finds them by their key, whatever the planner thinks."""
ADD_COUNTS = f"""
INSERT INTO ingest_counts (workspace_id, period, measure, label, slot, count, counted_at, sample)
SELECT %(workspace_id)b, %(period)b, measure, label, mod(pg_backend_pid(), {SLOTS}), count, %(now)b, sample
FROM unnest(%(measure)b::text[], %(label)b::text[], %(count)b::bigint[], %(sample)b::text[])
    AS added(measure, label, count, sample)
ORDER BY measure, label
ON CONFLICT (workspace_id, period, measure, label, slot) DO UPDATE
SET count = ingest_counts.count + EXCLUDED.count, counted_at = EXCLUDED.counted_at,
    sample = coalesce(EXCLUDED.sample, ingest_counts.sample)
"""
FOLD_COUNTS = """
WITH fine AS (
    DELETE FROM ingest_counts WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM ingest_counts
        WHERE period < :before AND (slot <> 0 OR period <> date_trunc(:unit, period, 'UTC'))
        LIMIT :most FOR UPDATE SKIP LOCKED
    ))
    RETURNING workspace_id, date_trunc(:unit, period, 'UTC') AS period, measure, label, count, counted_at, sample
),
folded AS (
    INSERT INTO ingest_counts (workspace_id, period, measure, label, slot, count, counted_at, sample)
    SELECT workspace_id, period, measure, label, 0, sum(count), max(counted_at), max(sample)
    FROM fine
    GROUP BY workspace_id, period, measure, label
    ORDER BY workspace_id, period, measure, label
    ON CONFLICT (workspace_id, period, measure, label, slot) DO UPDATE
    SET count = ingest_counts.count + EXCLUDED.count, sample = coalesce(EXCLUDED.sample, ingest_counts.sample),
        counted_at = greatest(ingest_counts.counted_at, EXCLUDED.counted_at)
)
SELECT count(*) FROM fine
"""
"""Add up counts of one hour or day. Whatever lies at the beginning of one, in slot 0, is folded already."""
# Everything here finds rows by their keys. The planner may think otherwise of tables that have just begun to fill, and keeps
# what it thought for the life of a connection. Nobody waits for a lock so long that others could not store anything meanwhile:
# what is answered with 503 comes again. What is sorted all the same looks dear to older versions, which would compile it.
PLAN_BY_KEYS = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true), set_config('jit', 'off', true),
       set_config('lock_timeout', '5s', true)
"""
TAKE_DUE = """
DELETE FROM trace_words_due WHERE id = ANY(ARRAY(SELECT id FROM trace_words_due ORDER BY id LIMIT :most))
RETURNING workspace_id, trace_id
"""
SEE_WORDS = """
SELECT set_config('spectral.workspace_id', CAST(:workspace_id AS text), true),
       set_config('spectral.search', quote_literal(CAST(:workspace_id AS text)), true)
"""
"""See all words of a workspace: every row has its id among them."""
WORD_CHARACTERS = 50_000
"""Of an input, and of an output: Postgres takes no more than a megabyte of words in one row."""
INDEX_WORDS = f"""
INSERT INTO trace_words (workspace_id, trace_id, words)
SELECT workspace_id, trace_id, array_to_tsvector(ARRAY[CAST(workspace_id AS text)]) || to_tsvector('simple', concat_ws(
    ' ', left(name, 1000),
    (SELECT left(spans.input, {WORD_CHARACTERS}) FROM spans
     WHERE (spans.workspace_id, spans.day, spans.trace_id, spans.span_id)
         = (traces.workspace_id, traces.day, traces.trace_id, traces.input_span_id)),
    (SELECT left(spans.output, {WORD_CHARACTERS}) FROM spans
     WHERE (spans.workspace_id, spans.day, spans.trace_id, spans.span_id)
         = (traces.workspace_id, traces.day, traces.trace_id, traces.output_span_id))
))
FROM traces
WHERE workspace_id = :workspace_id AND trace_id = ANY(CAST(:trace_ids AS text[]))
FOR KEY SHARE OF traces
ON CONFLICT (trace_id, workspace_id) DO UPDATE SET words = EXCLUDED.words WHERE trace_words.words <> EXCLUDED.words
"""
"""A trace that is being deleted meanwhile is waited for, or takes its words with it afterwards."""
