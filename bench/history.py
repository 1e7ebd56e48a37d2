"""A workspace with a history: traces of thirty days with the statistics of real ones, made by Postgres itself."""

from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

SPANS = 4
DAYS = 30
VOCABULARY = 5_000
TEXTS = 4_000
WORDS = 50
"""In a text, which makes it three hundred characters long."""
AGENTS = 8
LARGE_SPANS = 30_000
LARGE = "f" * 32
"""The trace with so many spans."""
COMMON_WORD = "w1"
RARE_WORD = "zanzibar"
RARE_EVERY = 50_000
"""One trace in so many says the rare word, carries the rare tag and called the rare model."""

# Words are drawn so that few are said often and most seldom.
MAKE_TEXTS = f"""
CREATE TEMPORARY TABLE texts AS
SELECT number, (SELECT string_agg('w' || floor(power({VOCABULARY}::float8, random() + 0 * number * word))::int, ' ')
                FROM generate_series(1, {WORDS}) AS word) AS said
FROM generate_series(0, {TEXTS - 1}) AS number;
ALTER TABLE texts ADD PRIMARY KEY (number), ADD COLUMN words tsvector;
UPDATE texts SET words = to_tsvector('simple', said);
ANALYZE texts
"""
MAKE_DAYS = f"""
DO $$
DECLARE
    a_day date;
    name text;
BEGIN
    FOR a_day IN SELECT day::date FROM generate_series(current_date - {DAYS}, current_date - 1, '1 day') AS day LOOP
        name := 'spans_' || to_char(a_day, 'YYYYMMDD');
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF spans FOR VALUES FROM (%L) TO (%L)', name, a_day, a_day + 1);
    END LOOP;
END $$
"""
MAKE_TRACES = f"""
INSERT INTO traces (workspace_id, trace_id, day, name, workflow, agent_id, agent_name, started_at, duration_ms, status,
                    span_count, input_span_id, output_span_id, input, output, input_tokens, output_tokens, total_tokens,
                    cost_usd, unpriced_spans, models, session_id, user_id, tags, config_version, feedback_score,
                    feedback_count, created_at, updated_at)
SELECT %(workspace_id)s, md5('trace' || n), (moment AT TIME ZONE 'UTC')::date, 'invoke_agent ' || agents.name, 'shop',
       agents.id, agents.name, moment, (200 * exp(3 * chance[1]))::bigint, CASE WHEN chance[2] < 0.05 THEN 'error' ELSE 'ok' END,
       {SPANS}, left(md5('span' || n * {SPANS}), 16), left(md5('span' || n * {SPANS}), 16),
       asked.said || CASE WHEN n %% {RARE_EVERY} = 7 THEN ' {RARE_WORD}' ELSE '' END, answered.said,
       (2000 * chance[3])::bigint, (300 * chance[4])::bigint, (2000 * chance[3])::bigint + (300 * chance[4])::bigint,
       CASE WHEN chance[5] < 0.9 THEN round((0.02 * chance[3])::numeric, 8) END, 0,
       ARRAY[CASE WHEN n %% {RARE_EVERY} = 7 THEN 'rare-model' WHEN chance[6] < 0.6 THEN 'gpt-4o-mini'
                  WHEN chance[6] < 0.9 THEN 'gpt-4o' ELSE 'claude-sonnet-4' END],
       'session ' || n / 5, 'user ' || ((n / 5) %% 20011),
       CASE WHEN n %% {RARE_EVERY} = 7 THEN ARRAY['prod', 'rare'] WHEN chance[7] < 0.7 THEN ARRAY['prod']
            WHEN chance[7] < 0.8 THEN ARRAY['beta', 'prod'] ELSE '{{}}' END,
       NULL, CASE WHEN chance[8] < 0.02 THEN 1 END, CASE WHEN chance[8] < 0.02 THEN 1 ELSE 0 END, moment, moment
FROM (
    SELECT n, now() - interval '{DAYS} days' * ((%(traces)s - n)::float8 / %(traces)s) - interval '1 minute' AS moment,
           ARRAY[random(), random(), random(), random(), random(), random(), random(), random()] AS chance,
           floor({AGENTS} * power(random(), 2))::int AS agent
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
) AS made
JOIN texts AS asked ON asked.number = n %% {TEXTS}
JOIN texts AS answered ON answered.number = (n * 7 + n / {TEXTS}) %% {TEXTS}
JOIN (
    SELECT id, name, row_number() OVER (ORDER BY name) - 1 AS number FROM agents WHERE workspace_id = %(workspace_id)s
) AS agents ON agents.number = agent
"""
MAKE_SPANS = f"""
INSERT INTO spans (workspace_id, trace_id, span_id, day, parent_span_id, name, kind, started_at, ended_at, status, dialect,
                   service, agent_id, agent_name, session_id, user_id, tags, model, input, output, input_tokens, output_tokens,
                   attributes, events, links, resource, scope, otlp, fullness, digest, received_at)
SELECT workspace_id, md5('trace' || n), left(md5('span' || n * {SPANS} + place), 16), day,
       CASE WHEN place > 0 THEN left(md5('span' || n * {SPANS}), 16) END, 'step ' || place,
       CASE place WHEN 0 THEN 'agent' WHEN 1 THEN 'llm' ELSE 'tool' END, started_at + interval '1 ms' * place,
       started_at + interval '1 ms' * duration_ms, 'unset', 'gen_ai', 'shop', agent_id, agent_name, session_id, user_id, tags,
       CASE place WHEN 1 THEN models[1] END, CASE WHEN place < 2 THEN input END, CASE WHEN place < 2 THEN output END,
       CASE place WHEN 1 THEN input_tokens END,
       CASE place WHEN 1 THEN output_tokens END,
       jsonb_build_object('gen_ai.operation.name', 'chat', 'gen_ai.request.model', models[1], 'session.id', session_id),
       '[]', '[]', '{{"service.name": "shop", "telemetry.sdk.language": "python"}}', '{{}}', '{{}}', 700, n, started_at
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
JOIN traces ON traces.workspace_id = %(workspace_id)s AND traces.trace_id = md5('trace' || n)
CROSS JOIN generate_series(0, {SPANS - 1}) AS place
"""
MAKE_LARGE_TRACE = f"""
INSERT INTO traces
SELECT (jsonb_populate_record(traces, jsonb_build_object('trace_id', '{LARGE}', 'span_count', {LARGE_SPANS}))).*
FROM traces WHERE workspace_id = %(workspace_id)s AND trace_id = md5('trace' || %(traces)s)
"""
MAKE_LARGE_SPANS = f"""
INSERT INTO spans
SELECT (jsonb_populate_record(spans, jsonb_build_object(
    'trace_id', '{LARGE}', 'span_id', lpad(to_hex(place), 16, '0'), 'started_at', spans.started_at + interval '1 ms' * place
))).*
FROM spans CROSS JOIN generate_series(1, {LARGE_SPANS}) AS place
WHERE workspace_id = %(workspace_id)s AND trace_id = md5('trace' || %(traces)s) AND parent_span_id IS NULL
"""
MAKE_WORDS = f"""
INSERT INTO trace_words (workspace_id, trace_id, words)
SELECT workspace_id, trace_id,
       array_to_tsvector(ARRAY[workspace_id::text]) || to_tsvector('simple', name) || asked.words
       || CASE WHEN n %% {RARE_EVERY} = 7 THEN to_tsvector('simple', '{RARE_WORD}') ELSE '' END || answered.words
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
JOIN traces ON traces.workspace_id = %(workspace_id)s AND traces.trace_id = md5('trace' || n)
JOIN texts AS asked ON asked.number = n %% {TEXTS}
JOIN texts AS answered ON answered.number = (n * 7 + n / {TEXTS}) %% {TEXTS}
"""
# What triggers make for every trace, made for all of them.
MAKE_LABELS = """
INSERT INTO trace_labels (workspace_id, kind, label, started_at, trace_id)
SELECT workspace_id, kind, label, started_at, trace_id FROM traces, labels_of(models, tags, status)
WHERE workspace_id = %(workspace_id)s
"""
MAKE_COUNT = """
INSERT INTO trace_counts (workspace_id, slot, count)
SELECT workspace_id, 0, count(*) FROM traces WHERE workspace_id = %(workspace_id)s GROUP BY workspace_id
"""
WITHOUT_TRIGGERS = """
SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET jit = off
"""
INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid IN ('traces'::regclass, 'trace_words'::regclass) AND NOT indisprimary
"""
AT_ONCE = 50_000


@dataclass(frozen=True)
class History:
    """So many traces of one workspace; what of them a search is to find comes from their own words."""

    workspace_id: UUID
    traces: int

    def make(self, connection: psycopg.Connection) -> None:
        """Fill the tables and let Postgres look at them, as it does by itself in time.

        Indexes are made when all rows are there, which takes a tenth of the time.
        """
        for statement in (WITHOUT_TRIGGERS, MAKE_TEXTS, MAKE_DAYS):
            connection.execute(statement.encode())
        indexes = connection.execute(INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(SQL("DROP INDEX {}").format(Identifier(name)))
        everything = {"workspace_id": self.workspace_id, "traces": self.traces}
        for first in range(1, self.traces + 1, AT_ONCE):
            part = everything | {"first": first, "last": min(first + AT_ONCE - 1, self.traces)}
            for statement in (MAKE_TRACES, MAKE_SPANS, MAKE_WORDS):
                connection.execute(statement.encode(), part)
        for statement in (MAKE_LARGE_TRACE, MAKE_LARGE_SPANS, MAKE_LABELS, MAKE_COUNT):
            connection.execute(statement.encode(), everything)
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute("VACUUM (ANALYZE) traces, trace_words, trace_labels")
        connection.execute("ANALYZE spans")
        connection.execute("SET session_replication_role = DEFAULT")
