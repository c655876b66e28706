"""`reviews demo`: a portfolio is reviewed, workers are killed on the way, the end is proven."""
