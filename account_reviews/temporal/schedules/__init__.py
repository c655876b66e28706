"""Temporal Schedules made from entries: plan, apply, pause, control."""
