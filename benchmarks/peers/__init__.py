"""The clients, each a module that runs in a separate process and environment."""
