"""A real Ollama with a small model."""
