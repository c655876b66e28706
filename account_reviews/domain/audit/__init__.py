"""What an entry of the audit trail is, and what is masked in it."""
