"""Pure statistics: bounds, power and agreement; each function cites its source."""
