"""One-line errors for exceptions of Spark, its Python workers and its stores."""
