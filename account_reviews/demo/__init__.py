"""`reviews demo`: a whole portfolio reviewed, a worker killed on the way, and a proof at the end."""
