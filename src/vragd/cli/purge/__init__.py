"""`vragd purge`: what is vragd's on this machine, listed, and taken off it. Nothing else is touched, a vault never."""
