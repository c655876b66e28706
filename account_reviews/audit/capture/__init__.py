"""What happens becomes entries: interceptors, the log, the outbox."""
