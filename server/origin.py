"""Changes that a page of another site asks for, in the browser of a user who does not know of it, are refused."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from providers.errors import Forbidden
from server.credentials import Headers, by_itself


def check_origin(headers: Headers, base: str, *, named: bool) -> None:
    """Refuse a request that a page of another site has made; browsers name the page's site in `Origin`.

    A site whose name was made to point to this machine (DNS rebinding) names itself in `Host` as well, from which
    `base` is made unless the settings have a name (`named`): without one, only addresses and `localhost` will do.
    A request with a key or token that a browser does not add by itself needs no check. Raises Forbidden.
    """
    origin = next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)
    if origin is None or not by_itself(headers):
        return
    own = urlsplit(base)
    if origin != f"{own.scheme}://{own.netloc}" or not (named or is_address(own.hostname or "")):
        raise Forbidden(f"changes are not taken from pages of {origin[:100]}")


def is_address(host: str) -> bool:
    """True for addresses and `localhost`, which no site can call its own name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return True
