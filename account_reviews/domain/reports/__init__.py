"""What people are told over many reviews: briefs, the digest, the portfolio."""
