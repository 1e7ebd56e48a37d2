"""Files as answers: saved rather than opened where they are no page, and pages that can do nothing but be read."""

from fastapi import Response

HTML, MARKDOWN = "text/html", "text/markdown"
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; sandbox"
"""A report holds what agents and models have said; nothing of it may run, load or be sent anywhere."""


def file_response(content: bytes, *, media_type: str, name: str) -> Response:
    """A file with its name; a page is shown, anything else is downloaded."""
    headers = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store"}
    if media_type == HTML:
        headers |= {"Content-Security-Policy": PAGE_POLICY, "Content-Disposition": f'inline; filename="{name}"'}
    else:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(content, media_type=media_type, headers=headers)
