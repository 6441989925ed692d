"""Which proxy the environment demands for a URL."""

from urllib.parse import urlsplit


def proxy_for(url: str) -> str | None:
    """The proxy of HTTPS_PROXY (HTTP_PROXY, ALL_PROXY) for `url`; None where NO_PROXY spares it."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
