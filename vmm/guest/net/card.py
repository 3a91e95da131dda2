"""``--net user``: the option's words, and the card that they stand for."""
from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from vmm.errors import ConfigError
from vmm.guest.cards import NetworkCard
from vmm.guest.net.sockets import HostSockets, Sockets
from vmm.guest.net.user import UserNetwork
from vmm.guest.outside import Outside, Plugged

USER = "user"
_FORWARD = re.compile(r"fwd=(tcp|udp):([0-9]{1,5}):([0-9]{1,5})")
PORTS = range(1, 65536)


class Forward(NamedTuple):
    """A port of the host's loopback that leads to one of the guest's."""
    protocol: str
    host_port: int
    guest_port: int


@dataclass(frozen=True, slots=True)
class UserNetworkCard:
    """A network card whose cable ends in a user network of its own."""
    network: UserNetwork

    def plug(self, outside: Outside) -> Plugged:
        self.network.now_ns = outside.clock.now_ns
        return replace(NetworkCard(self.network).plug(outside), source=self.network)

    def close(self) -> None:
        self.network.close()


def parse(spec: str, option: str = "--net") -> tuple[Forward, ...]:
    """``user``, then any number of ``fwd=tcp:HOSTPORT:GUESTPORT`` after commas."""
    kind, *words = spec.split(",")
    if kind != USER:
        raise ConfigError(f"{option} {spec}: there is no network {kind!r}; give {option} {USER}")
    forwards = tuple(_forward(word, f"{option} {spec}") for word in words)
    taken: set[tuple[str, int]] = set()
    for forward in forwards:
        if forward[:2] in taken:
            raise ConfigError(f"{option} {spec}: {forward.protocol} port {forward.host_port} is forwarded twice; give "
                              "each a port of its own")
        taken.add(forward[:2])
    return forwards


def _forward(word: str, asked: str) -> Forward:
    found = _FORWARD.fullmatch(word)
    if not found or int(found[2]) not in PORTS or int(found[3]) not in PORTS:
        raise ConfigError(f"{asked}: {word!r} forwards nothing; give fwd=tcp:HOSTPORT:GUESTPORT or fwd=udp:..., with "
                          "ports from 1 to 65535")
    return Forward(found[1], int(found[2]), int(found[3]))


def user_card(spec: str, sockets: Sockets | None = None) -> UserNetworkCard:
    forwards = parse(spec)
    network = UserNetwork(HostSockets() if sockets is None else sockets)
    try:
        for forward in forwards:
            network.forward(*forward)
    except ConfigError:
        network.close()
        raise
    return UserNetworkCard(network)
