"""The commands that do not start the runtime itself: main dispatches; check and new are one module each."""
