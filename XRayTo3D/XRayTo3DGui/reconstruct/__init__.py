"""3D bones from radiographs with a trained model."""
