"""The settings: one frozen model, validated once from a mapping such as `os.environ`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)


class InvalidSettings(Exception):
    """Settings are missing or wrong. `problems` has the name of each, never its value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Cloud(NamedTuple):
    """The addresses of one Microsoft cloud.

    The sources are Microsoft's "Partner Center REST URLs" and "Entra national clouds".
    """

    base_url: str
    authority: str
    federation_audience: str


CLOUDS = {
    "global": Cloud(
        "https://api.partnercenter.microsoft.com",
        "https://login.microsoftonline.com",
        "api://AzureADTokenExchange",
    ),
    "china": Cloud(
        "https://partner.partnercenterapi.microsoftonline.cn",
        "https://login.partner.microsoftonline.cn",
        "api://AzureADTokenExchangeChina",
    ),
    "usgov": Cloud(
        "https://api.partnercenter.microsoft.com",
        "https://login.microsoftonline.us",
        "api://AzureADTokenExchangeUSGov",
    ),
}


def _validated_url(url: str) -> str:
    """A URL such as `https://host[:port]`, without a trailing slash.

    http is allowed for this machine alone. Raises ValueError, whose text never quotes the value.
    """
    try:
        parts = urlsplit(url)
        usable = parts.hostname and parts.port != 0 and re.fullmatch(r"[!-~]+", url)
    except ValueError:  # the text of this one may quote the value
        usable = None
    if not usable or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be a URL with a host and no query")
    local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if parts.scheme != "https" and not local:
        raise ValueError("must start with https://")
    return url.rstrip("/")


def _validated_container_url(url: str) -> str:
    """The URL of a blob container. Raises ValueError."""
    container_url = _validated_url(url)
    if not re.fullmatch("/+[^/]+", urlsplit(container_url).path):
        raise ValueError("must be https://ACCOUNT.blob.core.windows.net/CONTAINER")
    return container_url


def _validated_store_url(url: str) -> str:
    """`memory`, or the URL of a blob container. Raises ValueError."""
    if url == "memory":
        return url
    try:
        return _validated_container_url(url)
    except ValueError as error:
        raise ValueError(f"{error}, or 'memory'") from None


_AZURE_VARIABLES = frozenset({"WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "CONTAINER_APP_NAME"})
"""Variables that Azure's hosting plans set, and that a local process does not have."""

InAzure = bool
"""The validation context: whether the process runs in Azure."""

StoreUrl = Annotated[str, AfterValidator(_validated_store_url)]
ContainerUrl = Annotated[str, AfterValidator(_validated_container_url)]

Guid = Annotated[
    str,
    StringConstraints(
        to_lower=True, pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
    ),
]
Url = Annotated[str, AfterValidator(_validated_url)]
SecretName = Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z-]{1,127}$")]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,62}[!-~])?$")]
LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]


class Settings(BaseModel):
    """All settings of the app. The aliases are the names of the environment variables."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    tenant_id: Guid = Field(alias="PARTNER_CENTER_TENANT_ID")
    client_id: Guid = Field(alias="PARTNER_CENTER_CLIENT_ID")
    auth: Literal["app_only", "app_user"] = Field("app_only", alias="PARTNER_CENTER_AUTH")
    credential: Literal["secret", "certificate", "federated"] = Field(
        "secret", alias="PARTNER_CENTER_CREDENTIAL"
    )
    cloud: Literal["global", "china", "usgov"] = Field("global", alias="PARTNER_CENTER_CLOUD")
    base_url_override: Url | None = Field(None, alias="PARTNER_CENTER_BASE_URL")
    application_name: HeaderText = Field(
        "partner-center-carts", alias="PARTNER_CENTER_APPLICATION_NAME"
    )
    locale: LanguageTag = Field("en-US", alias="PARTNER_CENTER_LOCALE")
    managed_identity_client_id: Guid = Field(alias="AZURE_CLIENT_ID")
    refresh_token_vault_override: Url | None = Field(None, alias="KEY_VAULT_REFRESH_TOKEN_URL")
    """A vault of its own for the refresh token, which is otherwise in that of the other secrets."""
    key_vault_url: Url | None = Field(None, alias="KEY_VAULT_URL", validate_default=True)
    client_secret_name: SecretName = Field(
        "partner-center-client-secret", alias="PARTNER_CENTER_CLIENT_SECRET_NAME"
    )
    certificate_name: SecretName = Field(
        "partner-center-certificate", alias="PARTNER_CENTER_CERTIFICATE_NAME"
    )
    refresh_token_name: SecretName = Field(
        "partner-center-refresh-token", alias="PARTNER_CENTER_REFRESH_TOKEN_NAME"
    )
    max_body_bytes: int = Field(262_144, alias="CART_MAX_BODY_BYTES", ge=1024, le=4_194_304)
    max_quantity: int | None = Field(None, alias="CART_MAX_QUANTITY", ge=1)
    unknown_members: Literal["forward", "reject"] | None = Field(None, alias="CART_UNKNOWN_MEMBERS")
    """Where it is not set, unknown members are forwarded in carts and rejected in orders."""
    allow_checkout: bool = Field(False, alias="CART_ALLOW_CHECKOUT")
    """Off by default, because otherwise everybody who may create carts could spend money."""
    store_url: StoreUrl = Field("memory", alias="CART_STORE_URL", validate_default=True)
    queue_service_override: Url | None = Field(None, alias="AzureWebJobsStorage__queueServiceUri")
    """Where the queue is whose messages the Functions host hands to the app."""
    storefronts_file: str | None = Field(None, alias="CART_STOREFRONTS_FILE")
    """The file of storefronts, by default `storefronts.toml` beside `function_app.py`."""
    bodies_url_override: ContainerUrl | None = Field(None, alias="CART_STOREFRONT_BODIES_URL")
    """The container of what storefronts send, by default one in the store's account."""
    public_url: Url | None = Field(None, alias="CART_PUBLIC_URL")
    """How callers address the app, where a gateway in front of it has another address."""
    max_customer_operations: int = Field(2, alias="CART_MAX_CUSTOMER_OPERATIONS", ge=1, le=100)
    """How many accepted operations of one customer are worked on at a time, in all instances."""
    require_idempotency_key: bool = Field(False, alias="CART_REQUIRE_IDEMPOTENCY_KEY")
    inflight_wait_seconds: float = Field(25, alias="CART_INFLIGHT_WAIT_SECONDS", ge=0, le=200)
    deadline_seconds: float = Field(100, alias="CART_DEADLINE_SECONDS", ge=1, le=180)
    lease_margin_seconds: float = Field(20, alias="CART_LEASE_MARGIN_SECONDS", ge=1, le=60)
    longest_request_seconds: float = Field(
        300, alias="CART_LONGEST_REQUEST_SECONDS", ge=10, le=3600
    )
    max_wait_seconds: float = Field(5, alias="CART_MAX_WAIT_SECONDS", ge=0, le=60)
    order_retention_days: int = Field(90, alias="CART_ORDER_RETENTION_DAYS", ge=7, le=3650)
    duplicate_orders: Literal["warn", "refuse", "ignore"] = Field(
        "warn", alias="CART_DUPLICATE_ORDERS"
    )
    """What becomes of an order like one that was placed minutes before under another key."""
    duplicate_window_minutes: int = Field(10, alias="CART_DUPLICATE_WINDOW_MINUTES", ge=1, le=1440)
    max_concurrent_calls: int = Field(144, alias="CART_MAX_CONCURRENT_CALLS", ge=1, le=1000)
    callers: Literal["keys", "entra"] = Field("keys", alias="CART_CALLERS")
    """Who admits callers: api/callers.py reads it, with the platform's own variable."""
    max_purchases_per_caller: int | None = Field(
        None, alias="CART_MAX_PURCHASES_PER_CALLER", ge=1, le=1000
    )
    max_purchases_per_customer: int | None = Field(
        None, alias="CART_MAX_PURCHASES_PER_CUSTOMER", ge=1, le=1000
    )
    """Purchases within an hour, by the clock; no limit where they are not set."""
    max_order_quantity: int | None = Field(None, alias="CART_MAX_ORDER_QUANTITY", ge=1)
    """The most that one order or checkout may have, all of its lines added up."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings in `environment`. An empty value counts as a missing one.

        Raises InvalidSettings with all problems at once.
        """
        try:
            return cls.model_validate(
                {name: value for name, value in environment.items() if value},
                context=not _AZURE_VARIABLES.isdisjoint(environment),
            )
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False)
            raise InvalidSettings(
                [
                    f"{cls._variable_name(problem['loc'][0])}: {problem['msg']}"
                    for problem in problems
                ]
            ) from None

    @classmethod
    def _variable_name(cls, location: str | int) -> str:
        """The environment variable of a wrong setting.

        pydantic reports the alias, which is that name, but the field's name for a wrong default.
        """
        info = cls.model_fields.get(str(location))
        return str(info.alias if info else location)

    @field_validator("store_url", mode="after")
    @classmethod
    def _require_shared_store_in_azure(cls, url: str, info: ValidationInfo[InAzure]) -> str:
        if url == "memory" and info.context:
            raise ValueError("'memory' forgets with its instance; give the URL of a container")
        return url

    @field_validator("key_vault_url", mode="after")
    @classmethod
    def _require_vault_for_secrets(cls, url: str | None, info: ValidationInfo) -> Any:
        no_refresh_token_in_it = info.data.get("auth") == "app_only" or info.data.get(
            "refresh_token_vault_override"
        )
        federated = info.data.get("credential") == "federated"
        if url is None and not (federated and no_refresh_token_in_it):
            raise ValueError("required, unless federated and without a refresh token in it")
        return url

    @property
    def queue_service_url(self) -> str:
        """The address of the queue service, by default that of the store's account."""
        parts = urlsplit(self.store_url)
        same_account = f"{parts.scheme}://{parts.netloc.replace('.blob.', '.queue.', 1)}"
        return self.queue_service_override or same_account

    @property
    def bodies_url(self) -> str:
        """The container of what storefronts send; `memory` where the store is in memory."""
        if self.store_url == "memory" or self.bodies_url_override:
            return self.bodies_url_override or "memory"
        return f"{self.store_url.rpartition('/')[0]}/storefront-bodies"

    @property
    def base_url(self) -> str:
        """Partner Center's base URL, without a trailing slash."""
        return self.base_url_override or CLOUDS[self.cloud].base_url

    @property
    def authority(self) -> str:
        """The Entra host that issues tokens, as `https://host`."""
        return CLOUDS[self.cloud].authority

    @property
    def token_scope(self) -> str:
        """The v2 scope of a Partner Center token. It depends on the cloud alone."""
        return f"{CLOUDS[self.cloud].base_url}/.default"

    @property
    def federation_audience(self) -> str:
        """The audience of the managed identity's token that serves as client assertion."""
        return CLOUDS[self.cloud].federation_audience
