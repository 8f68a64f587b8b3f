"""Which internet addresses a download may connect to: public ones, and those that were allowed."""

import ipaddress
import socket
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
# An IPv4 address at the end of one of these is what the address stands for or leads to.
_ENDING_IN_IPV4 = [
    ipaddress.IPv6Network(network) for network in ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")
]
# Global by the standard library, but local or of no host: NAT64 of one network, segment routing,
# 6to4's relays, protocol assignments.
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in ("64:ff9b:1::/48", "5f00::/16", "192.88.99.0/24", "192.0.0.0/24")
]
_ISATAP = (0x00005EFE, 0x02005EFE)  # the third quarter of an address


class AddressRefusedError(Exception):
    """The name has an address that is not public and was not allowed."""


class AllowedHosts:
    """Names, addresses and networks, such as 10.0.0.0/8, that need not be public.

    Raises ValueError for what looks like a network and is none.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for host in hosts:
            try:
                self._networks.append(ipaddress.ip_network(host, strict=False))
            except ValueError:
                if "/" in host:
                    raise ValueError(f"{host!r} is no network") from None
                self._names.add(host.lower())

    def has_name(self, host: str) -> bool:
        """Whether the name of a URL is among them."""
        return host.lower() in self._names

    def has_address(self, ip: _Ip) -> bool:
        """Whether an address is among them, or in one of the networks."""
        return any(ip.version == network.version and ip in network for network in self._networks)


def is_public(ip: _Ip) -> bool:
    """Whether an address is one of the public internet, as are all that are embedded in it.

    Python's `is_global` alone is not enough: it holds for multicast addresses, and for those of
    NAT64 and 6to4 that stand for a private one.
    """
    if not ip.is_global or ip.is_multicast:
        return False
    if any(ip.version == network.version and ip in network for network in _NOT_PUBLIC):
        return False
    if ip.version == 4:
        return True
    return not ip.is_site_local and all(map(is_public, _embedded(ip)))


def _embedded(ip: ipaddress.IPv6Address) -> Iterator[_Ip]:
    """The IPv4 addresses that an IPv6 address stands for or leads to."""
    number = int(ip)
    known = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    yield from (address for address in known if address is not None)
    is_at_end = any(ip in network for network in _ENDING_IN_IPV4)
    if is_at_end or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)


def checked_addresses(host: str, port: int, allowed: AllowedHosts) -> Sequence[tuple[str, int]]:
    """(address, port) of a name's addresses, all of which may be connected to.

    A connection must be made to one of these rather than to the name, which might resolve to
    another address next time. Raises AddressRefusedError if any may not, socket.gaierror if the
    name has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    is_allowed = partial(_is_allowed, allowed=allowed)
    if not allowed.has_name(host) and not all(map(is_allowed, addresses)):
        raise AddressRefusedError(f"{host} is no public address")
    return [(address, port) for address in addresses]


def _is_allowed(address: str, allowed: AllowedHosts) -> bool:
    ip = ipaddress.ip_address(address)
    return is_public(ip) or allowed.has_address(ip)
