"""The clients, each a module that runs in a process of its own, in an environment of its own."""
