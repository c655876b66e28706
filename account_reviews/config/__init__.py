"""What the environment says, and under which names."""
