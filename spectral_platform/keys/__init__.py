"""API keys: `sk_live_` secrets bound to one workspace, of which only digests are stored."""
