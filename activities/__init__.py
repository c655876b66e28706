"""Thin adapters that are handed what they call. Empty on purpose."""
