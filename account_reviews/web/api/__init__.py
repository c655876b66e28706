"""What programs ask over HTTP, under `/api/v1`."""
