"""What can go wrong while candidates are generated."""


class ProposalUnreadable(Exception):
    """The proposer's answer could not be read"""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
