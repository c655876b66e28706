"""CRM backends behind one protocol."""
