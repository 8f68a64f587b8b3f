"""What all packages use: column names, addresses, settings, errors, draws. No Spark session."""
