"""Model access: every call passes cache, reservation and ledger."""
