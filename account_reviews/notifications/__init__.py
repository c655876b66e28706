"""How people are notified: a file per channel, each notice once."""
