"""The budget of one request that somebody waits for: booked like a scan's, but in memory, because nobody resumes it."""

from decimal import Decimal

from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.llm.ledger import Balance, Entry, book


class Purse:
    """What a request may spend and has spent."""

    def __init__(self, *, max_usd: Decimal, max_calls: int) -> None:
        self._budget = Balance(max_usd=max_usd, max_calls=max_calls)
        self.unpriced_calls = 0

    @property
    def spent_usd(self) -> Decimal:
        """US dollars by known prices; a call that was abandoned counts as the most that it can cost."""
        return self._budget.spent_usd + self._budget.reserved_usd

    @property
    def calls(self) -> int:
        """Calls that were answered or abandoned."""
        return self._budget.spent_calls + self._budget.reserved_calls

    async def write(self, entry: Entry) -> None:
        """Book the entry. Raises ``BudgetExhausted``."""
        self.post(entry)

    def post(self, entry: Entry) -> None:
        """Book the entry. Raises ``BudgetExhausted``."""
        if not book(self._budget, entry):
            raise BudgetExhausted
        if entry.answer is not None and entry.answer["cost_usd"] is None:
            self.unpriced_calls += 1

    async def stored(self) -> None:
        """Nothing is kept, so nobody needs to wait."""
