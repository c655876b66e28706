"""What keeps the product right: jobs, rebuild, doctor."""
