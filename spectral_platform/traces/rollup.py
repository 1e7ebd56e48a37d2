"""A trace as the sum of its spans: one statement that computes traces anew from all the spans that are stored.

Tokens and costs count once: a wrapper around a model call that reports the same usage again is a model span too, so only model
spans with no reporting model span anywhere beneath them are counted. What cannot be summed is taken from the span nearest to
the root: parentless spans come first, then the earlier ones.
"""

_NEAREST_ROOT = "parent_span_id IS NOT NULL, started_at, span_id"
# What a trace answered is its root's output, else the last thing that something other than a tool or a lookup said.
_LAST_WORD = (
    "parent_span_id IS NOT NULL, kind IN ('tool', 'retrieval', 'embedding', 'other'), ended_at DESC, started_at DESC, span_id"
)


def _first(column: str) -> str:
    return f"(array_agg({column} ORDER BY {_NEAREST_ROOT}) FILTER (WHERE {column} IS NOT NULL))[1] AS {column}"


ROLL_UP = f"""
WITH RECURSIVE
span AS MATERIALIZED (
    SELECT trace_id, span_id, parent_span_id, name, kind, started_at, ended_at, status, workflow, agent_id, agent_name,
           session_id, user_id, tags, config_version, model, input_tokens, output_tokens, cost_usd,
           input IS NOT NULL AS has_input, output IS NOT NULL AS has_output,
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
usage AS (
    SELECT trace_id,
           sum(input_tokens)::bigint AS input_tokens,
           sum(output_tokens)::bigint AS output_tokens,
           sum(cost_usd) AS cost_usd,
           count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_spans
    FROM span LEFT JOIN wrapper USING (trace_id, span_id)
    WHERE reports AND wrapper.span_id IS NULL
    GROUP BY trace_id
),
facts AS (
    SELECT trace_id,
           {_first("name")},
           {_first("workflow")},
           {_first("agent_id")},
           {_first("agent_name")},
           {_first("session_id")},
           {_first("user_id")},
           {_first("config_version")},
           (array_agg(span_id ORDER BY {_NEAREST_ROOT}) FILTER (WHERE has_input))[1] AS input_span_id,
           (array_agg(span_id ORDER BY {_LAST_WORD}) FILTER (WHERE has_output))[1] AS output_span_id,
           min(started_at) AS started_at,
           floor(extract(epoch FROM max(ended_at) - min(started_at)) * 1000)::bigint AS duration_ms,
           CASE WHEN (array_agg(status ORDER BY {_NEAREST_ROOT}))[1] = 'ok' THEN 'ok'
                WHEN bool_or(status = 'error') THEN 'error'
                ELSE 'ok' END AS status,
           count(*) AS span_count,
           coalesce(array_agg(DISTINCT model ORDER BY model)
               FILTER (WHERE model IS NOT NULL AND kind IN ('llm', 'embedding')), '{{}}') AS models
    FROM span
    GROUP BY trace_id
),
tagged AS (
    SELECT trace_id, array_agg(DISTINCT tag ORDER BY tag) AS tags
    FROM span CROSS JOIN unnest(span.tags) AS tag
    GROUP BY trace_id
)
UPDATE traces SET
    name = facts.name,
    workflow = facts.workflow,
    agent_id = facts.agent_id,
    agent_name = facts.agent_name,
    session_id = facts.session_id,
    user_id = facts.user_id,
    config_version = facts.config_version,
    input = opening.input,
    output = closing.output,
    started_at = facts.started_at,
    duration_ms = facts.duration_ms,
    status = facts.status,
    span_count = facts.span_count,
    models = facts.models,
    tags = coalesce(tagged.tags, '{{}}'),
    input_tokens = usage.input_tokens,
    output_tokens = usage.output_tokens,
    total_tokens = CASE WHEN usage.input_tokens IS NOT NULL OR usage.output_tokens IS NOT NULL
                        THEN coalesce(usage.input_tokens, 0) + coalesce(usage.output_tokens, 0) END,
    cost_usd = usage.cost_usd,
    unpriced_spans = coalesce(usage.unpriced_spans, 0),
    updated_at = %(now)b
FROM facts
    LEFT JOIN usage USING (trace_id)
    LEFT JOIN tagged USING (trace_id)
    LEFT JOIN spans AS opening ON opening.workspace_id = %(workspace_id)b
        AND opening.trace_id = facts.trace_id AND opening.span_id = facts.input_span_id
    LEFT JOIN spans AS closing ON closing.workspace_id = %(workspace_id)b
        AND closing.trace_id = facts.trace_id AND closing.span_id = facts.output_span_id
WHERE traces.workspace_id = %(workspace_id)b AND traces.trace_id = facts.trace_id
"""
"""Parameters: ``workspace_id``, ``trace_ids``, ``now``."""
