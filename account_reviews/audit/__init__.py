"""The audit trail: captured beside the reviews, stored once, sealed, open to anyone's check."""
