"""Account reviews, durable on Temporal and approved by people."""
