"""Account memory backends behind one protocol."""
