"""A secret's form: what a person may have stored instead of it is told, and a good one passes."""

import pytest

from cart_core.adapters.secret_form import flaw_in

REFRESH_TOKEN = "1.AXoAbCdEf-_0123456789.AgABAwEAAADW6jl31mB3T7ugrWTT8pFe"


@pytest.mark.parametrize(
    "secret",
    [
        REFRESH_TOKEN,
        "0.AAAA" + "a-_9" * 300,
        "abc8Q~dEfGhIjKlMnOpQrStUvWxYz0123456789.-_",
        "a+b/c==",
        "M.C5_BAY.-CXy!z*$",
        "yourselfHere8Q~x",
    ],
)
def test_a_secret_of_entra_may_be_right(secret: str) -> None:
    assert flaw_in(secret) is None


@pytest.mark.parametrize(
    ("secret", "flaw"),
    [
        (f"\ufeff{REFRESH_TOKEN}", "byte order mark"),
        (f"\u200b{REFRESH_TOKEN}", "invisible"),
        (f"{REFRESH_TOKEN}\u202e", "invisible"),
        ("1.AXo\nAbC", "line break"),
        ("1.AXo\r\nAbC", "line break"),
        ("1.AXo\x85AbC", "line break"),
        (f'"{REFRESH_TOKEN}"', "quotes"),
        (f"'{REFRESH_TOKEN}'", "quotes"),
        (f"\u201c{REFRESH_TOKEN}\u201d", "quotes"),
        (f'{REFRESH_TOKEN}"', "quotes"),
        ("<refresh-token>", "placeholder"),
        ("<the value from step 3>", "placeholder"),
        ("{{REFRESH_TOKEN}}", "placeholder"),
        ("${CLIENT_SECRET}", "placeholder"),
        ("$(clientSecret)", "placeholder"),
        ("%CLIENT_SECRET%", "placeholder"),
        ("@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/a)", "placeholder"),
        ("your-client-secret", "placeholder"),
        ("YOUR_REFRESH_TOKEN", "placeholder"),
        ("Put your secret here!", "placeholder"),
        ("changeme", "placeholder"),
        ("TODO", "placeholder"),
        ("null", "placeholder"),
        ("xxxxxxxx", "placeholder"),
        ("********", "placeholder"),
        (f'{{"refresh_token": "{REFRESH_TOKEN}"}}', "JSON"),
        (f'["{REFRESH_TOKEN}"]', "JSON"),
        (f"refresh_token={REFRESH_TOKEN}", "its own name"),
        ("client_secret: abc8Q~x", "its own name"),
        ("11111111-2222-4333-8444-555555555555", "id of a secret"),
        ("eyJhbGciOi.eyJhdWQi.c2ln", "access token"),
        ("1.AXo AbC", "space"),
        ("1.AXo\tAbC", "space"),
        (f"Bearer {REFRESH_TOKEN}", "space"),
        ("1.AXo\u00e9", "ASCII"),
        ("1.AXo\ufffdAbC", "ASCII"),
        ("1.AXo\x00AbC", "ASCII"),
    ],
)
def test_the_flaw_is_told_without_the_secret(secret: str, flaw: str) -> None:
    told = flaw_in(secret)

    assert told
    assert flaw in told
    assert "AXo" not in told
