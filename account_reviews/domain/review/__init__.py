"""The state of a review, its messages, how it moves."""
