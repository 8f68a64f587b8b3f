"""Count matches, and thin out the captions of head entries."""
