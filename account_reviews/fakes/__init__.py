"""Services that behave like the real ones, for trying and testing."""
