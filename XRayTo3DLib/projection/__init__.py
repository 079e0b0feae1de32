"""What a camera sees: DRRs of volumes, silhouettes and contours of surfaces."""
