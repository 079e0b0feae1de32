"""3D bones judged against a reference."""
