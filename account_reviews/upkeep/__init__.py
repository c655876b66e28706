"""What keeps the product right: jobs, rebuild, doctor, reviews the server closed."""
