"""Deterministic workflow code. Empty on purpose: an import here would run inside the sandbox."""
