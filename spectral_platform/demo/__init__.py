"""The demo workspace: a support agent on the simulator, its samples, its rubric and its objective, packaged."""
