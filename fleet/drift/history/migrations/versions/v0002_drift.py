"""What drift checks have seen.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table("playbook", sa.Column("name", sa.Text(), primary_key=True))
    op.create_table(
        "drift_state",
        _playbook(primary_key=True),
        sa.Column("host", sa.Text(), primary_key=True),
        sa.Column("seen", sa.String(32), nullable=False),
        _words("by"),
        _words("body"),
    )
    op.create_table(
        "drift_item",
        sa.Column("id", sa.Integer(), primary_key=True),
        _playbook(primary_key=False),
        _words("host"),
        sa.Column("about", sa.String(16), nullable=False),
        _words("name"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("impact", sa.String(16), nullable=False),
        _words("reason"),
        sa.Column("value", sa.Text()),
        sa.Column("was", sa.Text()),
        sa.Column("first_seen", sa.String(32), nullable=False),
        sa.Column("last_seen", sa.String(32), nullable=False),
        sa.Column("closed", sa.String(32)),
    )
    is_open = sa.text("closed IS NULL")
    op.create_index(
        "drift_item_open",
        "drift_item",
        ["playbook", "host", "about", "name"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "confirmed",
        sa.Column("host", sa.Text(), primary_key=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        _words("body"),
    )


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _playbook(*, primary_key: bool) -> sa.Column[str]:
    reference = sa.ForeignKey("playbook.name", ondelete="CASCADE")
    return sa.Column("playbook", sa.Text(), reference, primary_key=primary_key, nullable=False)
