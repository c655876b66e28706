"""The local stack: embedded PostgreSQL and the Temporal dev server."""
