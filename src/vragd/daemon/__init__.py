"""The process: lock → stores → socket → ready, and back."""
