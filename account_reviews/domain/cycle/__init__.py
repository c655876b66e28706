"""The state of a cycle and its transitions."""
