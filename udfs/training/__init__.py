"""Training sentence encoders in plain torch, without Spark."""
