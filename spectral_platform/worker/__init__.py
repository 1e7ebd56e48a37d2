"""The background worker: which jobs it knows, what it does regularly, and how it runs."""
