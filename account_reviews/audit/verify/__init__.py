"""Whether the trail is whole and unchanged."""
