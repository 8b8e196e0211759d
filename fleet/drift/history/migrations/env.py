"""What Alembic runs: over the connection that `fleet.drift.history.database` has opened and locked."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
