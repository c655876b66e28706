"""What happens becomes entries, beside the reviews."""
