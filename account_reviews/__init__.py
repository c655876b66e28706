"""Durable CRM account reviews with human approval, on Temporal."""
