"""CSV files become CRM records by a mapping file."""
