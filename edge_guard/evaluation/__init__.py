"""What a bundle achieves on images that it has never seen."""
