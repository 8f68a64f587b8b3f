"""Counting matches and thinning out the captions of head entries."""
