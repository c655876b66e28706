"""The state of a review, its messages, decisions and transitions."""
