"""Deterministic code: the review, the cycle, upkeep. Empty on purpose."""
