"""Who may do what, and what a signed decision binds."""
