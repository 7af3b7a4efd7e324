"""Accounts that are disabled, and how often passwords are tried.

An older program goes on with it, and neither knows that an account is disabled nor counts.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Counts an attempt to sign in, or answers how long it has to wait. The rule and its numbers are in domain/logins.py,
# and a contract holds the two together. The first look takes no lock, so that those who are refused hold up nobody.
# Locks are taken in the order of the keys, and before anything is deleted, so that no two wait for each other.
ADMIT = """
CREATE FUNCTION blog_admit_login(
    account bytea, client bytea, pair bytea, moment timestamptz,
    waits integer[], forgiven interval, failures_kept interval,
    most_tries integer, period interval, pairs_kept interval,
    OUT known boolean, OUT wait interval
) LANGUAGE plpgsql AS $$
DECLARE
    keys bytea[] := ARRAY[least(account, client), greatest(account, client)];
    had record;
    longest interval := '0';
BEGIN
    known := true;
    wait := '0';
    SELECT p.tries, p.since INTO had FROM login_pairs p
    WHERE p.key = pair AND moment - p.signed_in_at < pairs_kept FOR UPDATE;
    IF FOUND THEN
        IF had.tries >= most_tries AND moment - had.since < period THEN
            wait := least(had.since + period - moment, period);
        ELSIF moment - had.since >= period THEN
            UPDATE login_pairs p SET tries = 1, since = moment WHERE p.key = pair;
        ELSE
            UPDATE login_pairs p SET tries = p.tries + 1 WHERE p.key = pair;
        END IF;
        RETURN;
    END IF;

    known := false;
    SELECT coalesce(max(least(f.at + waits[f.count + 1] * interval '1 second' - moment,
                              waits[f.count + 1] * interval '1 second')), '0')
    INTO wait FROM login_failures f WHERE f.key = ANY (keys);
    IF wait > '0' THEN
        RETURN;
    END IF;

    FOR i IN 1..2 LOOP
        INSERT INTO login_failures AS f (key, count, at) VALUES (keys[i], 0, moment)
        ON CONFLICT (key) DO UPDATE SET count = f.count RETURNING f.count, f.at INTO had;
        longest := greatest(longest, least(had.at + waits[had.count + 1] * interval '1 second' - moment,
                                           waits[had.count + 1] * interval '1 second'));
    END LOOP;
    wait := longest;
    IF wait > '0' THEN
        -- Others came first. A row that was made above counts nothing, and goes in its time.
        RETURN;
    END IF;
    UPDATE login_failures f SET
        count = least(
            greatest(
                f.count - floor(extract(epoch FROM greatest(moment - f.at, '0')) / extract(epoch FROM forgiven)), 0
            ) + 1,
            array_length(waits, 1) - 1
        ),
        at = moment
    WHERE f.key = ANY (keys);
    DELETE FROM login_failures f WHERE f.key IN (
        SELECT old.key FROM login_failures old WHERE old.at < moment - failures_kept
        ORDER BY old.at LIMIT 20 FOR UPDATE SKIP LOCKED
    );
    DELETE FROM login_pairs p WHERE p.key IN (
        SELECT old.key FROM login_pairs old WHERE old.signed_in_at < moment - pairs_kept
        ORDER BY old.signed_in_at LIMIT 20 FOR UPDATE SKIP LOCKED
    );
END
$$
"""


def upgrade() -> None:
    # They are new, and nobody waits for their indexes.
    op.create_table(
        "login_failures",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_login_failures"),
        sa.Index("ix_login_failures_at", "at"),
    )
    op.create_table(
        "login_pairs",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_login_pairs"),
        sa.Index("ix_login_pairs_signed_in_at", "signed_in_at"),
    )
    op.execute(ADMIT)
    # The statement that locks a table comes last.
    op.add_column("users", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "disabled_at")
    op.execute("DROP FUNCTION blog_admit_login")
    op.drop_table("login_pairs")
    op.drop_table("login_failures")
