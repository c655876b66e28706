"""What answers HTTP: incoming webhooks."""
