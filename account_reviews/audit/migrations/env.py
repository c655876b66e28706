"""Alembic loads this file to run the migrations beside it."""

from account_reviews.store import migration_env

migration_env.run()
