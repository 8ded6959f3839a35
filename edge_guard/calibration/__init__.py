"""From reference images to a bundle."""
