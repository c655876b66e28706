"""What a running process tells of itself: metrics, traces, logs."""
