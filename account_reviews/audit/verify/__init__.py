"""Whether the trail is whole and unchanged, on the database or on files alone."""
