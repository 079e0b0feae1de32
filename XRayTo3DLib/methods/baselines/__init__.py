"""What every network must beat: mean shape, nearest training shape, ridge regression."""
