"""A simulated inspection station: machined brackets on a conveyor under a fixed camera."""
