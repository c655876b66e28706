"""What people and programs ask for, by whichever door they come."""
