"""The stores of this machine, running on the event loop."""
