"""How many requests a caller or an address may send in a while, counted for all processes together."""
