"""Durable reviews of CRM accounts, approved by people, on Temporal."""
