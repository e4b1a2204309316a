"""A model served by Ollama."""
