"""Reading the trail and taking it away."""
