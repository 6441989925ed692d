"""The file of sources: read as a whole, and every problem is named at once."""

from datetime import UTC, datetime

import pytest

from cart_core.storefronts.sources import InvalidSources, read_sources
from cart_core.storefronts.standard_webhooks import InvalidExpression, compiled
from tests.unit.storefronts.samples import sample_sources

SHOP = '[shop]\nplatform = "shopify"\nsecrets = ["a"]\n'
ERP = """[erp]
platform = "standard_webhooks"
secrets = ["a"]
types = ["paid"]
[erp.expressions]
id = "id"
created = "c"
changed = "c"
lines = "l"
line_id = "i"
line_sku = "s"
line_quantity = "q"
"""


def test_the_sample_has_each_platform_and_is_valid() -> None:
    sources = sample_sources()

    assert {name: source.platform for name, source in sources.items()} == {
        "shop": "shopify",
        "woo": "woocommerce",
        "big": "bigcommerce",
        "pay": "stripe",
        "erp": "standard_webhooks",
    }
    rules = sources["shop"].rules(datetime.max.replace(tzinfo=UTC))
    assert rules.since == datetime(2026, 12, 1, tzinfo=UTC)
    assert rules.customers.rows
    assert rules.customers.rows["customer", "706405506930370084"] == "contoso.onmicrosoft.com"


def test_a_source_without_since_begins_when_it_was_first_seen() -> None:
    seen = datetime(2026, 12, 1, tzinfo=UTC)

    assert read_sources(SHOP)["shop"].rules(seen).since == seen


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[shop", "not TOML"),
        ('[Shop]\nplatform = "shopify"\nsecrets = ["a"]', "Shop: a source's name has 1 to 32"),
        ("[shop]", "shop.platform: must be one of shopify, woocommerce"),
        ('shop = "shopify"', "shop.platform: must be one of"),
        ('[shop]\nplatform = "x"', "shop.platform: must be one of"),
        (SHOP.replace('["a"]', "[]"), "shop.secrets: "),
        (SHOP.replace('"a"', '"a b"'), "shop.secrets.0: "),
        (SHOP + 'colour = "red"', "shop.colour: "),
        (SHOP + 'since = "2026-12-01T00:00:00Z"', "shop.since: "),
        (SHOP + "since = 2026-12-01T00:00:00", "shop.since: needs a zone"),
        (SHOP + 'release = "later"', "shop.release: "),
        (SHOP + 'customer.map = [{company = "1"}]', "shop.customer.map.0.tenant: "),
        (SHOP + 'customer.map = [{tenant = "a.com"}]', "shop.customer.map.0: name one of"),
        (SHOP + 'customer.map = [{company = "1", tenant = "a"}]', "map.0.tenant: must be a tenant"),
        (
            SHOP + 'customer.map = [{company="1", tenant="a.com"}, {company="1", tenant="b.com"}]',
            "shop.customer: two rows of the map name the same id",
        ),
        (
            SHOP + 'sku.table.x = {product="P", sku="1", billing="never"}',
            "shop.sku.table.x.product",
        ),
        (
            SHOP + 'sku.foreign = ["x"]\n[shop.sku.table.x]\nproduct = "CFQ7TTC0LH18"\n'
            'sku = "0001"\nbilling = "annual"',
            "shop.sku: a SKU is in the table and in the list",
        ),
        (SHOP + 'report = {url = "http://example.com", secret = "a"}', "shop.report.url: "),
        (SHOP.replace("shopify", "bigcommerce"), "shop.store_hash: "),
        (SHOP.replace("shopify", "stripe"), "shop.api_key: "),
        (ERP, "erp: expressions: add paid"),
        (ERP + 'paid = "p"\nprice = "p"', "erp: expressions: only these are known"),
        (ERP + 'paid = "p["', "erp.expressions.paid: is no JMESPath at character"),
    ],
)
def test_a_problem_names_its_place(text: str, problem: str) -> None:
    with pytest.raises(InvalidSources) as raised:
        read_sources(text)

    assert problem in str(raised.value)


def test_all_problems_of_all_sources_are_told_at_once() -> None:
    with pytest.raises(InvalidSources) as raised:
        read_sources('[one]\nplatform = "shopify"\n[two]\nplatform = "stripe"\nsecrets = []')

    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        "one.secrets",
        "two.secrets",
        "two.api_key",
    ]


def test_a_generic_source_that_buys_at_once_needs_no_payment() -> None:
    assert read_sources(ERP.replace("types", 'release = "placed"\ntypes'))


@pytest.mark.parametrize("text", ["a" * 257, "[" * 200, "a[?", "", "foo(@)" * 40])
def test_an_expression_is_capped_and_compiled_at_the_start(text: str) -> None:
    with pytest.raises(InvalidExpression):
        compiled(text)
