"""Event histories become rows; what is missing is found and made up for."""
