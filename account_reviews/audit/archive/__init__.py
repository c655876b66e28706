"""Reading the trail and taking it away: pages, exports, partitions, archives."""
