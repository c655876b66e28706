"""Our own tables: read, written, migrated."""
