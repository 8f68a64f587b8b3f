"""Files of the field read into frames."""
