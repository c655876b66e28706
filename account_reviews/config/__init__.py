"""What the environment says: settings, other names of variables, ports."""
