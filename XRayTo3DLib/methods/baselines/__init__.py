"""What every network must beat: the mean shape, and ridge regression from image to shape components."""
