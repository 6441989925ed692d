"""What this process knows of Partner Center's throttling, so that it does not ask in vain.

Partner Center throttles some requests for each partner tenant and others for each partner and
customer ("API throttling guidance"), and does not say which. So a 429 stops requests for its
customer, and requests for everybody while two customers or more are throttled at a time.
"""


class Throttle:
    """When each customer may be served again. Times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._closed_until: dict[str, float] = {}

    def close(self, customer_id: str, seconds: float, now: float) -> None:
        """Partner Center asked for a pause of so many seconds for this customer."""
        closed = {customer: until for customer, until in self._closed_until.items() if until > now}
        closed[customer_id] = max(now + seconds, closed.get(customer_id, now))
        self._closed_until = closed

    def wait(self, customer_id: str, now: float) -> float:
        """Seconds until a request for this customer may be sent; 0 if it may be sent now."""
        ends = sorted(until for until in self._closed_until.values() if until > now)
        two_until = ends[-2] if len(ends) > 1 else now
        return max(0.0, two_until - now, self._closed_until.get(customer_id, now) - now)
