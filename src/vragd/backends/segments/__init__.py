"""Collections as segments that never change and a manifest that names them, searched exactly."""
