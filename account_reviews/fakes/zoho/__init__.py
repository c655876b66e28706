"""A Zoho CRM, API v8, as far as reviews ask it."""
