"""What knows every room's rows: taking an account out whole, bringing it in elsewhere, and erasing for good."""
