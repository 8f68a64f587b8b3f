"""The jobs: each module's `JOB` is one command, and the file runs alone under spark-submit."""
