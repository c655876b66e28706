"""Names, client, sandbox and failures for Temporal."""
