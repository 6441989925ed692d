"""The public metadata of a domain says its tenant, or that there is none, or nothing."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from cart_core.adapters.openid_metadata import OpenIdMetadata
from cart_core.problem import Problem

TENANT = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"


class Session:
    """A session that gives one answer, or fails."""

    def __init__(self, status: int, text: str, document: Any) -> None:
        self.status, self.text, self.document = status, text, document
        self.urls: list[str] = []

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def get(self, url: str, **_: Any) -> SimpleNamespace:
        self.urls.append(url)
        if isinstance(self.document, Exception):
            raise self.document

        return SimpleNamespace(status_code=self.status, text=self.text, json=lambda: self.document)


def tenant_of(status: int, text: str = "", document: Any = None) -> tuple[str | None, list[str]]:
    session: Any = Session(status, text, document)
    metadata = OpenIdMetadata("https://login.example", lambda: session)
    return asyncio.run(metadata.tenant_of("contoso.example")), session.urls


def test_the_issuer_holds_the_tenant() -> None:
    issuer = f"https://login.example/{TENANT.upper()}/v2.0"
    found, urls = tenant_of(200, document={"issuer": issuer})
    assert found == TENANT
    assert urls == ["https://login.example/contoso.example/v2.0/.well-known/openid-configuration"]


def test_a_domain_of_nobody_has_no_tenant() -> None:
    assert tenant_of(400, "AADSTS90002: Tenant 'contoso.example' not found.")[0] is None


@pytest.mark.parametrize(
    ("status", "text", "document"),
    [
        (400, "AADSTS900023: not valid", None),
        (404, "<html>", None),
        (429, "", None),
        (503, "", None),
        (200, "", {}),
        (200, "", {"issuer": "https://login.example/common/v2.0"}),
        (200, "", []),
        (200, "", ValueError("no JSON")),
        (0, "", requests.ConnectionError("refused")),
    ],
    ids=str,
)
def test_anything_else_says_nothing(status: int, text: str, document: Any) -> None:
    with pytest.raises(Problem) as caught:
        tenant_of(status, text, document)
    assert (caught.value.code, caught.value.kind.retryable) == ("token_unavailable", True)
