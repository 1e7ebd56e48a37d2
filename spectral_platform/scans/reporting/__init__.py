"""What a scan leaves to be read elsewhere: its report as a page and as Markdown, and its figures as files."""
