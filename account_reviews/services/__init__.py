"""What people and programs ask for, by whichever door."""
