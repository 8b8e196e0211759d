"""The runs.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        *(_words(name) for name in ("who", "machine", "directory", "process", "playbook")),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("started", sa.String(32), nullable=False),
        sa.Column("finished", sa.String(32)),
        sa.Column("exit_code", sa.Integer()),
        _words("message"),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
    )
    op.create_index("ix_run_started", "run", ["started"])
    op.create_table(
        "run_host",
        _run(),
        sa.Column("position", sa.Integer(), primary_key=True),
        _words("name"),
        sa.Column("status", sa.String(16), nullable=False),
        _words("error"),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
    )
    op.create_index("ix_run_host_name", "run_host", ["name"])
    op.create_table("run_document", _run(), sa.Column("packed", sa.LargeBinary(), nullable=False))


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _run() -> sa.Column[int]:
    return sa.Column("run", sa.Integer(), sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
