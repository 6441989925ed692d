"""The route that says what is still missing in a deployment."""

from collections.abc import Sequence
from typing import Any

from cart_core import __version__
from cart_core.api.messages import Invocation, Response
from cart_core.use_cases.readiness import LinkFinding


def ready_response(findings: Sequence[LinkFinding], invocation: Invocation) -> Response:
    """200 where all links are ok, else 503, with what was found of each."""
    ready = all(each.status == "ok" for each in findings)
    body = {
        "status": "ready" if ready else "not_ready",
        "version": __version__,
        "links": [_as_json(each) for each in findings],
    }
    headers = {"MS-CorrelationId": invocation.correlation_id, "Cache-Control": "no-store"}
    return Response(200 if ready else 503, body, headers)


def _as_json(finding: LinkFinding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "status": finding.status,
        "milliseconds": finding.milliseconds,
        "code": finding.code,
        "detail": finding.detail,
        "partnerCenter": finding.fault.as_json() if finding.fault else None,
    }
