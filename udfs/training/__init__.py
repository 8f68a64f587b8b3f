"""What trainers read: snapshots of tables, in batches by rank and worker, each row once."""
