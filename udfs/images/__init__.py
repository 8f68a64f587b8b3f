"""Images as encoded bytes: their formats and sizes, decoding, download and hashes."""
