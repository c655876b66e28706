"""The trail: captured, stored once, sealed, checked."""
