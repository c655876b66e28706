"""Event histories become rows; gaps are found and filled."""
