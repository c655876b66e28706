"""What is remembered of accounts, behind one door."""
