"""A trace as the sum of its spans: one statement that computes traces anew from all the spans that are stored.

Tokens and costs count once: a wrapper around a model call that reports the same usage again is a model span too, so only model
spans with no reporting model span anywhere beneath them are counted. What cannot be summed is taken from the span nearest to
the root: parentless spans come first, then the earlier ones.

The statement only ever looks up keys: it goes through the traces that it is given and never through the workspace's others. It
is an upsert of rows that exist because the arbiter index leaves the planner no other way to reach them.
"""

_NEAREST_ROOT = "parent_span_id IS NOT NULL, started_at, span_id"
# What a trace answered is its root's output, else the last thing that something other than a tool or a lookup said.
_LAST_WORD = (
    "parent_span_id IS NOT NULL, kind IN ('tool', 'retrieval', 'embedding', 'other'), ended_at DESC, started_at DESC, span_id"
)
_COUNTED = "FILTER (WHERE counts)"
_CALLED = "FILTER (WHERE model IS NOT NULL AND kind IN ('llm', 'embedding'))"


def _first(column: str) -> str:
    return f"(array_agg({column} ORDER BY {_NEAREST_ROOT}) FILTER (WHERE {column} IS NOT NULL))[1]"


def _text_of(span_id: str, column: str) -> str:
    return (
        f"(SELECT {column} FROM spans WHERE workspace_id = %(workspace_id)b"
        f" AND trace_id = facts.trace_id AND span_id = facts.{span_id})"
    )


_ROLLED_UP = {
    "name": _first("name"),
    "workflow": _first("workflow"),
    "agent_id": _first("agent_id"),
    "agent_name": _first("agent_name"),
    "session_id": _first("session_id"),
    "user_id": _first("user_id"),
    "config_version": _first("config_version"),
    "started_at": "min(started_at)",
    "duration_ms": "floor(extract(epoch FROM max(ended_at) - min(started_at)) * 1000)::bigint",
    "status": f"""CASE WHEN (array_agg(status ORDER BY {_NEAREST_ROOT}))[1] = 'ok' THEN 'ok'
                       WHEN bool_or(status = 'error') THEN 'error'
                       ELSE 'ok' END""",
    "span_count": "count(*)",
    "models": f"coalesce(array_agg(DISTINCT model ORDER BY model) {_CALLED}, '{{}}')",
    "tags": """(SELECT coalesce(array_agg(DISTINCT tag ORDER BY tag), '{}')
                FROM unnest(string_to_array(string_agg(tags, E'\\x1f'), E'\\x1f')) AS tag)""",
    "input_tokens": f"(sum(input_tokens) {_COUNTED})::bigint",
    "output_tokens": f"(sum(output_tokens) {_COUNTED})::bigint",
    "total_tokens": """(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))
                         FILTER (WHERE counts AND (input_tokens IS NOT NULL OR output_tokens IS NOT NULL)))::bigint""",
    "cost_usd": f"sum(cost_usd) {_COUNTED}",
    "unpriced_spans": "count(*) FILTER (WHERE counts AND cost_usd IS NULL)",
}
_COLUMNS = [*_ROLLED_UP, "input", "output", "updated_at"]

ROLL_UP = f"""
WITH RECURSIVE
span AS MATERIALIZED (
    SELECT trace_id, span_id, parent_span_id, name, kind, started_at, ended_at, status, workflow, agent_id, agent_name,
           session_id, user_id, nullif(array_to_string(tags, E'\\x1f'), '') AS tags, config_version, model,
           input_tokens, output_tokens, cost_usd, input IS NOT NULL AS has_input, output IS NOT NULL AS has_output,
           kind IN ('llm', 'embedding')
               AND (input_tokens IS NOT NULL OR output_tokens IS NOT NULL OR cost_usd IS NOT NULL) AS reports
    FROM spans
    WHERE workspace_id = %(workspace_id)b AND trace_id = ANY(%(trace_ids)b::text[])
),
wrapper(trace_id, span_id) AS (
    SELECT trace_id, parent_span_id FROM span WHERE reports AND parent_span_id IS NOT NULL
    UNION
    SELECT above.trace_id, above.parent_span_id
    FROM wrapper JOIN span AS above USING (trace_id, span_id)
    WHERE above.parent_span_id IS NOT NULL
),
weighed AS MATERIALIZED (
    SELECT *, reports AND (trace_id, span_id) NOT IN (SELECT trace_id, span_id FROM wrapper) AS counts FROM span
),
facts AS (
    SELECT trace_id,
           (array_agg(span_id ORDER BY {_NEAREST_ROOT}) FILTER (WHERE has_input))[1] AS input_span_id,
           (array_agg(span_id ORDER BY {_LAST_WORD}) FILTER (WHERE has_output))[1] AS output_span_id,
           {", ".join(f"{fact} AS {name}" for name, fact in _ROLLED_UP.items())}
    FROM weighed
    GROUP BY trace_id
)
INSERT INTO traces (workspace_id, trace_id, feedback_count, created_at, {", ".join(_COLUMNS)})
SELECT %(workspace_id)b, trace_id, 0, %(now)b, {", ".join(_ROLLED_UP)},
       {_text_of("input_span_id", "input")}, {_text_of("output_span_id", "output")}, %(now)b
FROM facts
ON CONFLICT (workspace_id, trace_id) DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in _COLUMNS)}
"""
"""Parameters: ``workspace_id``, ``trace_ids``, ``now``."""
