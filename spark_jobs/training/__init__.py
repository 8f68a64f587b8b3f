"""What is handed to trainers: samples in shards of one size, in an order that a seed decides."""
