"""Rows are sealed: leaves, Merkle roots, signatures, and the second place."""
