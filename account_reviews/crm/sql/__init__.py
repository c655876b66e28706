"""The CRM in PostgreSQL."""
