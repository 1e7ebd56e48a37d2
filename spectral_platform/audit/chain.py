"""How entries are chained: each hash covers the entry's content and the hash before it.

``docs/audit-log.md`` tells auditors how to do this sum themselves: it never changes.
"""

import json
from datetime import UTC

from spectral_platform.audit.models import AuditEntry
from spectral_platform.core.crypto import content_digest

GENESIS = "0" * 64
"""What stands for the entry before the first one."""


def hash_entry(entry: AuditEntry) -> str:
    """SHA-256 over the previous hash and every field of the entry, in hex."""
    return content_digest(
        entry.previous_hash,
        str(entry.account_id),
        str(entry.sequence),
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor_kind,
        str(entry.actor_id),
        str(entry.workspace_id),
        entry.action,
        entry.resource,
        entry.resource_id,
        json.dumps(entry.detail, sort_keys=True, ensure_ascii=False),
    )
