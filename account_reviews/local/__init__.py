"""The PostgreSQL and the Temporal of this machine."""
