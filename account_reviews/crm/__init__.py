"""The door to any CRM, and the CRM of tests."""
