"""What CRMs and memories behind HTTP share."""
