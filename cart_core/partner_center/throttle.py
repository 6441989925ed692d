"""What this process knows of Partner Center's throttling, so that it does not ask in vain.

Partner Center throttles per partner tenant for some calls and per partner and customer for others
(API throttling guidance), and does not say which. So a 429 closes the gate for its customer, and
two customers' 429s at a time close it for everybody.
"""

import math


class Throttle:
    """When each customer may be served again. Times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._closed_until: dict[str, float] = {}
        self._all_closed_until = -math.inf

    def close(self, customer_id: str, seconds: float, now: float) -> None:
        """Partner Center asked to leave this customer alone for so long."""
        closed = {name: until for name, until in self._closed_until.items() if until > now}
        closed[customer_id] = max(now + seconds, closed.get(customer_id, now))
        if len(closed) > 1:
            self._all_closed_until = max(closed.values())
        self._closed_until = closed

    def wait(self, customer_id: str, now: float) -> float:
        """Seconds until a call for this customer may be sent; 0 if it may be sent now."""
        until = max(self._all_closed_until, self._closed_until.get(customer_id, now))
        return max(0.0, until - now)
