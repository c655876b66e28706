"""`reviews demo`: reviews, killed workers, and a proof."""
