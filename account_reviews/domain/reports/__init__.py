"""What is said of many reviews: briefs, digest, portfolio."""
