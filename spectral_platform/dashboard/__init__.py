"""What is read from several rooms at once to show how things stand."""
