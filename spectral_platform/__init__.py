"""Spectral's platform: everything that is true without HTTP.

A room is one API group. Inside a room each file holds one kind of line: ``errors`` (what can go wrong), ``states``
(allowed moves), nouns (pure values and functions), ``work`` (orders for later), ``models`` (rows), ``queries`` (reads), processes
(algorithms), ``jobs`` (carrying the orders out), ``commands`` (writes, one function per use case).

Rooms form one staircase and import only downwards::

    demo → worker → portability → dashboard → scans → optimizers → changesets → worlds → evaluations → samples → otel
         → traces → agents → webhooks → auth → keys → workspaces → accounts → mail → audit → (idempotency, ratelimits) → llm
         → statistics → core

Work goes down by ``core.jobs.enqueue``, news (``news.py``: what has happened) goes up by ``core.jobs.publish``: both are rows in
the caller's transaction.
"""
