"""What can go wrong when a model is asked."""


class ProviderUnavailable(Exception):
    """The provider does not answer now; the same request may succeed later"""


class ProviderRejected(Exception):
    """The provider refuses the request, and will refuse it again"""
