"""The words every room shares; pure, no I/O."""
