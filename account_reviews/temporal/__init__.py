"""Names, connection and interceptors for Temporal."""
