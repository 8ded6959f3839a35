"""What to tell a technician who takes reference images, one question a file."""
