"""Decide where requests may go: which hosts are on the list, and which addresses are everybody's.

A host is written `api.example.com`, `*.example.com` (everything below it, not itself) or `*`, with `:8443` behind it
for that port only. Private addresses are allowed by host, by address or by network: `intranet.example`, `10.0.0.0/8`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

__all__ = ["Address", "HostPattern", "Reach", "is_public", "parse_address", "parse_host", "parse_private"]

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)

# IPv6 addresses that carry an IPv4 address to somewhere: RFC 6052 (also its local form, RFC 8215).
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class HostPattern:
    """Match host names: one, everything below one (`*.name`), or all of them (`*`); on one port or on any."""

    host: str
    port: int | None = None

    def matches(self, host: str, port: int | None = None) -> bool:
        """Tell whether a host (and port, where that matters) is meant."""
        if self.port is not None and port != self.port:
            return False
        name = normal_host(host)
        if self.host.startswith("*."):
            return name.endswith(self.host[1:]) and len(name) >= len(self.host)
        return self.host in ("*", name)


def normal_host(host: str) -> str:
    """Return a host as it is compared: in lower case, without the root's dot and the brackets of IPv6."""
    return host.lower().removesuffix(".").removeprefix("[").removesuffix("]")


def parse_host(text: str) -> HostPattern:
    """Read a pattern; raises ValueError, whose message says what to write."""
    wanted = "write a host like api.example.com, *.example.com or api.example.com:8443"
    address = parse_address(normal_host(text))
    if address is not None:
        return HostPattern(str(address))
    name, colon, port = text.strip().lower().rpartition(":")
    if not colon:
        name, port = port, ""
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} isn't a host: {wanted}")
    inner = parse_address(normal_host(name))
    host = normal_host(name) if inner is None else str(inner)
    if inner is None and name != "*" and not _NAME.fullmatch(host):
        raise ValueError(f"{text!r} isn't a host: {wanted}")
    return HostPattern(host, int(port) if colon else None)


def parse_private(text: str) -> HostPattern | Network:
    """Read what may be private: a host, an address or a network; raises ValueError, which says what to write."""
    wanted = "write a host like intranet.example, an address, or a network like 10.0.0.0/8"
    try:
        network = ip_network(normal_host(text.strip()))
    except ValueError:
        pass
    else:
        if network.prefixlen:
            return network
    try:
        pattern = parse_host(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a host nor a network: {wanted}") from None
    if pattern.host == "*" or pattern.port is not None:
        raise ValueError(f"{text!r} would open too much, or has a port: {wanted}")
    return pattern


def parse_address(text: str) -> Address | None:
    """Return the address that a text is, None where it is a name; a zone (`%eth0`) is left out."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the internet's: not private, loopback, link-local, multicast or reserved.

    Of an IPv6 address that leads to an IPv4 address, both must be.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not (address.is_multicast or address.is_reserved)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and any(address in network for network in _NAT64):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner) and address not in _NAT64[1]
    if address.teredo is not None:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_site_local)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Hold how far requests may go."""

    hosts: tuple[HostPattern, ...] = ()
    private: tuple[HostPattern | Network, ...] = ()

    @classmethod
    def of(cls, hosts: Iterable[str], private: Iterable[str]) -> "Reach":
        """Read both lists; raises ValueError."""
        return cls(
            hosts=tuple(parse_host(text) for text in hosts), private=tuple(parse_private(text) for text in private)
        )

    def lists(self, host: str, port: int | None) -> bool:
        """Tell whether requests may be sent to a host."""
        return any(pattern.matches(host, port) for pattern in self.hosts)

    def trusts(self, host: str) -> bool:
        """Tell whether a host, by the name or address that it is asked under, is one of the private ones."""
        address = parse_address(normal_host(host))
        return any(
            entry.matches(host) if isinstance(entry, HostPattern) else address is not None and address in entry
            for entry in self.private
        )

    def admits(self, host: str, address: Address) -> bool:
        """Tell whether a host may have this address: a public one, or a private one that is allowed."""
        if is_public(address):
            return True
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any(
            entry.matches(host) if isinstance(entry, HostPattern) else address in entry or (mapped or address) in entry
            for entry in self.private
        )
