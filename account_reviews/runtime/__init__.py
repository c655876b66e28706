"""What a worker process runs beside its worker."""
