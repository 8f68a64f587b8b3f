"""Images of pairs: download, read, arrange, de-duplicate, decontaminate."""
