"""The SKUs of the emulated Partner Center, with the availabilities that each begins with.

They are those that Microsoft's documentation and user reports name. Where neither has a fact, it is
left out: nothing here has a price. What the traps of the real catalogue need besides (a second
availability, another segment, another spelling) is made up, and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Pair = tuple[str, str]
"""A term ("" for none) and a billing cycle, as an availability's `terms` spell them."""

MONTH: Pair = ("P1M", "Monthly")
YEAR: Pair = ("P1Y", "Annual")
YEAR_BY_MONTH: Pair = ("P1Y", "Monthly")
LICENCE = (MONTH, YEAR, YEAR_BY_MONTH)


@dataclass(frozen=True, slots=True)
class Offer:
    """One availability of a SKU. `part` is the third part of the id that it begins with.

    `only_by_id` are pairs that the availability has where it is read by its id, and that the list
    lacks.
    """

    part: str
    pairs: tuple[Pair, ...] = LICENCE
    segment: str = "commercial"
    currency: str = "USD"
    purchasable: bool = True
    renewable: bool = True
    only_by_id: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class Sku:
    """A SKU. `cycles` are its supportedBillingCycles, which are not those of one term.

    `capitalised`: its availabilities are spelt as the documentation's tables say, not as its
    examples: the segment with a capital letter, the currency as a text.
    """

    title: str
    offers: tuple[Offer, ...]
    minimum: int = 1
    maximum: int = 10_000_000
    cycles: tuple[str, ...] = ("monthly", "annual")
    product_type: str = "OnlineServicesNCE"
    is_trial: bool = False
    prerequisites: tuple[str, ...] = ()
    inventory_variables: tuple[str, ...] = ()
    provisioning_variables: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    """The SKUs, as `Product:Sku`, of which an add-on needs one."""
    attested: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    capitalised: bool = False


_ONE_TIME = ("one_time",)
_AZURE = "Azure"


def _licence(title: str, *parts: str, **more: Any) -> Sku:
    """A licence with these availabilities, all alike."""
    return Sku(title, tuple(Offer(f"CFQ7TTC0{part}") for part in parts), **more)


SKUS: Mapping[str, Sku] = {
    "CFQ7TTC0LH18:0001": _licence("Microsoft 365 Business Basic", "K971", maximum=300),
    "CFQ7TTC0LDPB:0001": _licence("Microsoft 365 Business Standard", "LGNT", maximum=300),
    "CFQ7TTC0LCHC:0002": Sku(
        "Microsoft 365 Business Premium",
        (Offer("CFQ7TTC0KFFN", purchasable=False), Offer("CFQ7TTC0X6RN")),
        maximum=300,
    ),
    "CFQ7TTC0LCHC:0003": Sku(
        "Microsoft 365 Business Premium trial",
        (Offer("CFQ7TTC0KF52", (("P1M", "None"),)),),
        maximum=25,
        cycles=("none",),
        is_trial=True,
    ),
    "CFQ7TTC0LFLX:0001": Sku(
        "Microsoft 365 E3",
        (Offer("CFQ7TTC0LB30", (*LICENCE, ("P3Y", "Triennial"), ("P3Y", "Annual"))),),
        cycles=("monthly", "annual", "triennial"),
    ),
    "CFQ7TTC0LFLZ:0002": Sku(
        "Microsoft 365 E5",
        (Offer("CFQ7TTC0MKD5", only_by_id=(("P3Y", "Monthly"),)),),
    ),
    "CFQ7TTC0LF8S:0001": Sku(
        "Office 365 E5",
        # Which of the ids that were seen belongs to which segment is made up.
        (
            Offer("CFQ7TTC0N81H", (YEAR_BY_MONTH,), segment="government"),
            Offer("CFQ7TTC0VZW5", (YEAR_BY_MONTH, YEAR)),
            Offer("CFQ7TTC0K9G9", (YEAR,), segment="nonprofit"),
        ),
    ),
    "CFQ7TTC0MM8R:0002": Sku(
        "Microsoft 365 Copilot", (Offer("CFQ7TTC0CP01", (YEAR, YEAR_BY_MONTH)),)
    ),
    "CFQ7TTC0LHSF:0001": _licence("Power BI Pro", "Q7WT", capitalised=True),
    "CFQ7TTC0LHSF:0011": Sku(
        "Power BI Pro for faculty", (Offer("CFQ7TTC0ED11", (YEAR,), segment="education"),)
    ),
    "CFQ7TTC0LHSF:0013": Sku(
        "Power BI Pro for students", (Offer("CFQ7TTC0ED13", (YEAR,), segment="education"),)
    ),
    "CFQ7TTC0LHPL:000W": Sku(
        "Microsoft 365 A3", (Offer("CFQ7TTC0ED0W", (YEAR,), segment="education"),)
    ),
    "CFQ7TTC0HD33:0003": Sku(
        "Visio Plan 1",
        # Two currencies for the same pair are made up.
        (Offer("CFQ7TTC0VU01"), Offer("CFQ7TTC0VE01", currency="EUR")),
    ),
    "CFQ7TTC0HDJX:0001": Sku(
        "Add-on to Microsoft 365 E3",
        (Offer("CFQ7TTC0K806"),),
        bases=("CFQ7TTC0LFLX:0001",),
    ),
    "CFQ7TTC0HDK0:0001": Sku("Advanced Communications", (Offer("CFQ7TTC0AC01", (YEAR,)),)),
    "CFQ7TTC0HDK0:000B": Sku(
        "Advanced Communications (nonprofit)",
        (Offer("CFQ7TTC0AC0B", (YEAR,), segment="nonprofit"),),
        bases=("CFQ7TTC0LCHC:0002", "CFQ7TTC0LFLX:0001", "CFQ7TTC0LH18:0001"),
    ),
    "CFQ7TTC0LH16:0001": Sku(
        "Exchange Online Plan 1",
        # Two availabilities alike, of which one cannot be renewed, are made up.
        (Offer("CFQ7TTC0EX0N", renewable=False), Offer("CFQ7TTC0EX0R")),
    ),
    "CFQ7TTC0LHS9:0001": _licence(
        # Two availabilities that nothing tells apart are made up.
        "Extra File Storage",
        "FS0A",
        "FS0B",
        bases=("CFQ7TTC0LH16:0001", "CFQ7TTC0LFLX:0001"),
    ),
    "DZH318Z0BPS6:0001": Sku(
        "Azure plan",
        (Offer("DZH318Z0BML6", ()),),
        maximum=1,
        cycles=_ONE_TIME,
        product_type=_AZURE,
        prerequisites=("MicrosoftCustomerAgreement",),
    ),
    "DZH318Z0BQ3Q:0001": Sku(
        "Reservation",
        (Offer("DZH318XZXVNF", (("P1Y", "One_Time"),)),),
        maximum=999_999_999,
        cycles=_ONE_TIME,
        product_type=_AZURE,
    ),
    "DZH318Z0BQ3V:00G1": Sku(
        "Virtual machines D32s_v3 in westus2, 3 years",
        (Offer("DZH318XZG1A0", (("P3Y", ""),)),),
        maximum=999_999_999,
        cycles=_ONE_TIME,
        product_type=_AZURE,
        prerequisites=("AzureSubscriptionRegistration", "InventoryCheck"),
        inventory_variables=("CustomerId", "AzureSubscriptionId", "ArmRegionName"),
        provisioning_variables=("Scope", "SubscriptionId"),
        attributes={"armSkuName": "Standard_D32s_v3", "armRegionName": "westus2"},
    ),
    "DZH318Z0BQ36:004G": Sku(
        "Reservation for 1 year",
        (Offer("DZH318Z08C0S", (("P1Y", ""),)),),
        maximum=999_999_999,
        cycles=_ONE_TIME,
        product_type=_AZURE,
    ),
    "DZH318Z0BQ36:004J": Sku(
        "Reservation for 3 years",
        (Offer("DZH318Z08B8X", (("P3Y", ""),)),),
        maximum=999_999_999,
        cycles=_ONE_TIME,
        product_type=_AZURE,
    ),
    "DZH318Z09V6F:0001": Sku(
        "Savings plan",
        (Offer("DZH318Z0BLD3", (("P1Y", "One_Time"), YEAR_BY_MONTH)),),
        cycles=("one_time", "monthly"),
        product_type=_AZURE,
    ),
    "DG7GMGF0DWT0:0001": Sku(
        "Client access licence",
        (Offer("DG7GMGF0DSQR", (("", "One_Time"),)),),
        cycles=_ONE_TIME,
        product_type="Software",
    ),
    "DG7GMGF0FKZV:0003": Sku(
        "SQL Server Enterprise 2-core",
        (Offer("DG7GMGF0DQLM", (("P3Y", "Triennial"),)),),
        cycles=("triennial",),
        product_type="Software",
    ),
    "DZH318Z0BXWC:0002": Sku(
        "SaaS", (Offer("DZH318Z0BMRV", (MONTH,)),), cycles=("monthly",), product_type=_AZURE
    ),
    "DZH318Z0C0WF:0001": Sku(
        "SaaS trial",
        (Offer("DZH318Z0BP69", (("P1M", "None"),)),),
        maximum=10,
        cycles=("none",),
        product_type=_AZURE,
        is_trial=True,
    ),
    "CFQ7TTC0ATTS:0001": Sku(
        "Licence that needs attestation (made up)", (Offer("CFQ7TTC0EDUC"),), attested=True
    ),
}
"""The SKUs by `Product:Sku`."""

PROMOTION = "39NFJQT1PHSN:0008:39NFJQT1Q5J0"
"""The promotion of Microsoft 365 E3."""
PROMOTED = "CFQ7TTC0LFLX:0001"
