"""What is found in an account and recommended for it: risk, health, changes, evidence."""
