"""The app in a local cloud with its page: what `make run` serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite

from local import page
from local.api_docs import ADDRESS, ApiDocs
from local.environment import BUYING, app_environment
from local.function_process import FunctionProcess
from local.shops import Shops
from local.storefronts import sources_in, storefront_environment


@contextmanager
def local_app(
    azurite: Azurite | None, storefronts: Path, *, port: int = 0, inherit_log: bool = False
) -> Iterator[tuple[LocalCloud, FunctionProcess]]:
    """Runs it until the block ends. Buying is on.

    Without Azurite the app keeps its records in memory. `storefronts` is the file of sources. With
    `inherit_log` the app's log goes to this process's standard error. Raises RuntimeError where it
    does not start.
    """
    functions: list[FunctionProcess] = []

    def function() -> tuple[str, str] | None:
        return (functions[0].url, functions[0].key) if functions else None

    docs, shops = ApiDocs(function), Shops(sources_in(storefronts))
    with LocalCloud.in_thread(
        azurite=azurite, routes=docs.routes(), third_parties=shops.third_parties()
    ) as cloud:
        page.extend(cloud, function, shops, has_storage=azurite is not None)
        if docs.has_assets:
            cloud.page.links[ADDRESS] = "API documentation"
        environment = app_environment(
            cloud,
            **BUYING,
            **storefront_environment(cloud, storefronts),
            LOCAL_PAGE_URL=cloud.page_url,
        )
        with FunctionProcess(environment, port=port, inherit_log=inherit_log) as running:
            functions.append(running)
            yield cloud, running
