"""Merkle roots over rows, signed, and their second place."""
