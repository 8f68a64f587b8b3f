"""What executes jobs: steps, up to date or not, recipes, the command line of one job."""
