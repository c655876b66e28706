"""What answers HTTP: pages, the API, incoming webhooks."""
