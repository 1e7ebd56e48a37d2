"""Groups of failures that share a cause, as cards to steer and explain a search, and as rows that outlive a scan."""
