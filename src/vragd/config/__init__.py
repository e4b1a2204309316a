"""The user's file as frozen settings; a pure load."""
