"""Which internet addresses a download may connect to: public ones, and those that were allowed."""

import ipaddress
import socket
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # the third quarter of an address


class AddressRefusedError(Exception):
    """The name has an address that is not public and was not allowed."""


class AllowedHosts:
    """Names, addresses and networks, such as 10.0.0.0/8, that need not be public."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for host in hosts:
            try:
                self._networks.append(ipaddress.ip_network(host, strict=False))
            except ValueError:
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
    if not ip.is_global or ip.is_multicast or (ip.version == 6 and ip in _LOCAL_NAT64):
        return False
    return all(map(is_public, _embedded(ip))) if ip.version == 6 else True


def _embedded(ip: ipaddress.IPv6Address) -> Iterator[_Ip]:
    """The IPv4 addresses that an IPv6 address stands for or leads to."""
    number = int(ip)
    known = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    yield from (address for address in known if address is not None)
    if ip in _NAT64 or ip in _COMPATIBLE or (number >> 32) & 0xFFFFFFFF in _ISATAP:
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
