"""vragd as a service of systemd or launchd: its units, and the commands that install them."""
