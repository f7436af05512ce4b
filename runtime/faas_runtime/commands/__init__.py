"""The commands that do not start the runtime itself: main dispatches to the modules of their names."""
