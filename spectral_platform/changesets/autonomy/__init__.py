"""What the system decides by itself under `bounded_auto`: applying inside the bounds, watching production, rolling back."""
