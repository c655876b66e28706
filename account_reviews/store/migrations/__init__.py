"""Alembic migrations, linear, one file each."""
