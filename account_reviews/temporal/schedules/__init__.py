"""Temporal Schedules from entries: plan, apply, control."""
