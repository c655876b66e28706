"""Entries of schedules.toml, when they run, and how late."""
