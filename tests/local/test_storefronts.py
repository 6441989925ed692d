"""The commands for storefronts: the file is checked, a body is shown, and nothing is sent."""

from pathlib import Path

import pytest
from partner_center_emulator.services.azurite import Azurite

from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.signatures import MIN_KEY_BYTES, matching_key, signing_key
from cart_core.storefronts.sources import read_sources
from local.local_app import local_app
from local.storefronts import SAMPLE, local_secret, main, sign

FOLDER = SAMPLE.parent
CONTOSO = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
SAMPLES = {
    "shop": "shopify",
    "woo": "woocommerce",
    "big": "bigcommerce",
    "pay": "stripe",
    "erp": "standard-webhooks",
}
"""The sample body of each source of the sample file."""


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["--file", str(SAMPLE), *arguments]) == 0
    return capsys.readouterr().out


def test_the_file_is_checked_and_each_address_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    printed = told(capsys, "check")

    assert "shop: shopify. Address https://APP/api/webhooks/shop" in printed
    assert printed.count("secrets in Key Vault: ") == 5
    assert "secrets in Key Vault: big-client-secret, big-access-token" in printed
    assert "secrets in Key Vault: shop-webhook-secret, shop-report-secret" in printed
    assert "Copy it to storefronts.toml" in printed


def test_all_problems_of_a_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[one]\nplatform = "x"\n[two]\nplatform = "shopify"')

    with pytest.raises(SystemExit) as raised:
        main(["--file", str(tmp_path / "wrong.toml"), "check"])
    assert str(raised.value).count("\n") == 1
    with pytest.raises(SystemExit, match="Copy"):
        main(["--file", str(tmp_path / "none.toml"), "check"])


@pytest.mark.parametrize(
    ("source", "body", "fetched"),
    [
        ("shop", "shopify", ()),
        ("woo", "woocommerce", ()),
        ("big", "bigcommerce", ("bigcommerce-order", "bigcommerce-products")),
        ("pay", "stripe", ("stripe-session", "stripe-line-items")),
        ("erp", "standard-webhooks", ()),
    ],
)
def test_each_sample_is_shown_as_what_would_be_bought(
    capsys: pytest.CaptureFixture[str], source: str, body: str, fetched: tuple[str, ...]
) -> None:
    more = zip(("--order", "--lines"), fetched, strict=False)
    options = [text for name, file in more for text in (name, str(FOLDER / f"{file}.json"))]

    printed = told(capsys, "map", source, str(FOLDER / f"{body}.json"), *options)

    assert f"For {CONTOSO} (nobody was asked" in printed
    assert '"catalogItemId": "CFQ7TTC0LH18:0001"' in printed
    if fetched:
        assert "--order" in told(capsys, "map", source, str(FOLDER / f"{body}.json"))


@pytest.mark.parametrize("source", SAMPLES)
def test_what_is_sent_is_signed_as_the_platform_signs(source: str) -> None:
    scheme = platform_of(read_sources(SAMPLE.read_text("utf-8"))[source]).scheme
    key = signing_key(scheme, local_secret("shop-webhook-secret"))
    headers = sign(scheme, local_secret("shop-webhook-secret"), b"{}", 1_795_348_800)

    assert key
    assert len(key) >= MIN_KEY_BYTES
    lower = {name.lower(): value for name, value in headers.items()}
    assert matching_key(scheme, lower, b"{}", [key], 1_795_348_800) == 0


def test_an_order_that_is_not_certain_says_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    body = (
        (FOLDER / "shopify.json")
        .read_text("utf-8")
        .replace("CFQ7TTC0LH18:0001:P1Y", "CFQ7TTC0LH18")
    )
    (tmp_path / "body.json").write_text(body)

    printed = told(capsys, "map", "shop", str(tmp_path / "body.json"))

    assert "line 866550311766439020: sku_resembles CFQ7TTC0LH18:monthly" in printed
    assert "add it to the SKU table" in printed


def test_each_sample_is_bought_by_the_app_that_runs_here(
    azurite: Azurite, capsys: pytest.CaptureFixture[str]
) -> None:
    with local_app(azurite, SAMPLE) as (cloud, function):
        for source, sample in SAMPLES.items():
            body = str(FOLDER / f"{sample}.json")
            printed = told(capsys, "send", source, body, "--url", function.url)
            assert "answered 200" in printed
            assert f"  {CONTOSO}: 5 x CFQ7TTC0LH18:0001: completed" in printed
        assert len(cloud.partner_center.orders) == len(SAMPLES)


def test_an_app_that_does_not_run_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    body = str(FOLDER / "shopify.json")

    assert main(["--file", str(SAMPLE), "send", "shop", body, "--url", "http://127.0.0.1:1"]) == 1
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith("Start it with `make run`.")
