"""Entries of schedules.toml: when they run, how late."""
