"""An OpenAI-compatible server with a multilingual model."""
