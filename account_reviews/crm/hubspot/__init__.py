"""HubSpot, the dated object API."""
