"""Refuse, by trigger, whatever does not append to an account's chain of audit entries."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


PROTECTION = [
    # Only the erasure of a whole account takes its log along: its row is gone by the time the cascade comes here.
    """
    CREATE FUNCTION refuse_audit_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF NOT EXISTS (SELECT FROM accounts WHERE id = OLD.account_id) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION 'the audit log is only ever added to' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE FUNCTION require_audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (
            SELECT FROM audit_heads h
            WHERE h.account_id = NEW.account_id AND h.sequence + 1 = NEW.sequence AND h.entry_hash = NEW.previous_hash
        ) THEN
            RAISE EXCEPTION 'an audit entry continues the chain of its account' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION require_audit_head_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            IF NEW.sequence = 0 AND NOT EXISTS (SELECT FROM audit_entries WHERE account_id = NEW.account_id) THEN
                RETURN NEW;
            END IF;
        ELSIF NEW.account_id = OLD.account_id AND NEW.sequence = OLD.sequence + 1 AND EXISTS (
            SELECT FROM audit_entries e
            WHERE e.account_id = NEW.account_id AND e.sequence = NEW.sequence
              AND e.previous_hash = OLD.entry_hash AND e.entry_hash = NEW.entry_hash
        ) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'the end of an audit log moves on by one entry' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION refuse_audit_rewriting()",
    "CREATE TRIGGER append_only_as_a_whole BEFORE TRUNCATE ON audit_entries"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_rewriting()",
    "CREATE TRIGGER chained BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION require_audit_chain()",
    "CREATE TRIGGER stays BEFORE DELETE ON audit_heads FOR EACH ROW EXECUTE FUNCTION refuse_audit_rewriting()",
    "CREATE TRIGGER stays_as_a_whole BEFORE TRUNCATE ON audit_heads FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_rewriting()",
    # After, because what comes before an insertion also sees those that ON CONFLICT does not carry out.
    "CREATE TRIGGER forward AFTER INSERT OR UPDATE ON audit_heads FOR EACH ROW EXECUTE FUNCTION require_audit_head_forward()",
    "REVOKE DELETE ON audit_heads FROM spectral_app",
]


def upgrade() -> None:
    for statement in PROTECTION:
        op.execute(statement)
