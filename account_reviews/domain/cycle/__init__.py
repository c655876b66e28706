"""The state of a cycle and how it moves."""
