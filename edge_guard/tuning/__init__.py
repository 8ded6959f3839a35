"""What would make a bundle cheaper on this device: other choices, each of them measured here."""
