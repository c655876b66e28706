"""What an entry of the trail is, and what is masked in it."""
