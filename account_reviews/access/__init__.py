"""Keys, tokens and the policy as it is now: whether somebody may."""
