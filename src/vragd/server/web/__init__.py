"""The page that people look at, over TCP on this machine alone: who may ask, what is there, whom it asks."""
