"""Where processes run: on the event loop of the node, later in OS workers and on other nodes."""
