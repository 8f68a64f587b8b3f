"""What runs inside a Python worker: kernels over Arrow batches, without tables or paths."""
