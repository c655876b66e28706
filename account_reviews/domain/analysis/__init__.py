"""What is found in an account, and what is recommended."""
