"""The commands that do not start the runtime itself: main dispatches; build, check and new are modules."""
