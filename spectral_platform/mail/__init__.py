"""Mail to people: sealed orders in the caller's transaction, delivered by the worker over SMTP."""
