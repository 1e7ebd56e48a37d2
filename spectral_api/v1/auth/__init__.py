"""Registration, login and profile over HTTP."""
