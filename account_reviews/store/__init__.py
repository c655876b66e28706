"""Our own PostgreSQL tables: documents, read model, migrations."""
