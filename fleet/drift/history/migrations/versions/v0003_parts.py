"""More than the result is kept of a run, and packed smaller; and what it came to, in numbers.

Revision ID: 0003
"""

import lzma
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables, and move the results there."""
    parts = op.create_table(
        "run_part",
        _run(),
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "run_point",
        _run(),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("hosts", "with_findings", "unchecked", "violations")
        ),
        sa.Column("usage_median", sa.Double()),
        sa.Column("usage_highest", sa.Double()),
    )
    documents = sa.table("run_document", sa.column("run", sa.Integer()), sa.column("packed", sa.LargeBinary()))
    connection = op.get_bind()
    # One at a time: all of them need not fit into memory.
    for run in connection.execute(sa.select(documents.c.run)).scalars().all():
        old = connection.execute(sa.select(documents.c.packed).where(documents.c.run == run)).scalar_one()
        packed = lzma.compress(zlib.decompress(old), preset=1)
        connection.execute(sa.insert(parts).values(run=run, name="result", packed=packed))
    op.drop_table("run_document")


def _run() -> sa.Column[int]:
    return sa.Column("run", sa.Integer(), sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
