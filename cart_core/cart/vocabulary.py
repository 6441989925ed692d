"""Partner Center's own words for a cart: the values of its members and the names of its errors."""

BILLING_CYCLES = ("monthly", "annual", "one_time", "none", "triennial", "biennial")
"""Wire values of billingCycle (product resources page; `biennial` from the .NET SDK 3.4.0)."""

KNOWN_TERMS = frozenset({"P1M", "P1Y", "P3Y"})
"""The documented termDuration values. Catalogues have others, which are accepted with a warning."""

SEGMENTS = ("commercial", "education", "government", "nonprofit")
"""Values of targetSegment. Price lists call the last one Charity."""

TARGET_VIEWS = (
    *("OnlineServices", "Software", "SoftwareSUSELinux", "SoftwarePerpetual"),
    *("SoftwareSubscriptions", "Azure", "AzureReservations", "AzureReservationsVM"),
    *("AzureReservationsSQL", "AzureReservationsCosmosDb", "MicrosoftAzure", "SpecializedOffers"),
    "MarketplaceSaaS",
)
"""Values of targetView: the parts of the catalogue that can be listed (product pages)."""

CART_STATUSES = ("Active", "Ordered")
"""Wire values of a cart's status (cart resources page)."""

CART_ERROR_NAMES = {
    "0": "Unknown",
    "10000": "CurrencyIsNotSupported",
    "10001": "CatalogItemIdIsNotValid",
    "10002": "QuotaNotAvailable",
    "10003": "InventoryNotAvailable",
    "10004": "ParticipantsIsNotSupportedForPartner",
    "10006": "UnableToProcessCartLineItem",
    "10007": "SubscriptionIsNotValid",
    "10008": "SubscriptionIsNotEnabledForRI",
    "10009": "SandboxLimitExceeded",
    "10010": "InvalidInput",
    "10011": "SubscriptionNotRegistered",
    "10012": "AttestationNotAccepted",
    "10013": "BillingPlanNotSupported",
    "10014": "InvalidPromotionId",
    "10015": "MaxAllowedSeatsPerSubscriptionExceeded",
    "10016": "InvalidCustomTermEndDateProduct",
    "10017": "InvalidCustomTermEndDate",
    "10018": "BaseOfferSeatQuantityNotMet",
    "10019": "MinimumAddOnSeatsNotMet",
    "500600": "LegacyOfferNotEligibleForPurchase",
}
"""CartError codes and their names in Microsoft's SDK (CartErrorCode.cs). Microsoft adds to it."""
