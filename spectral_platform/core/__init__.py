"""The floor: settings, database, errors, jobs and the few things true of every room."""
