//! Addresses of machines on networks.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::kind::Kind;
use super::{Edge, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule::new(Kind::Ip, 0.8, r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?:/[0-9]{1,2}|:[0-9]{1,5})?")
        .text(ipv4),
    Rule::new(
        Kind::Ip,
        0.8,
        r"(?i:[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?::(?:[0-9]{1,3}\.){3}[0-9]{1,3})?(?:%[0-9a-z]{1,8})?(?:/[0-9]{1,3})?)",
    )
    .text(ipv6)
    .edge(Edge::Word),
    Rule::new(
        Kind::Mac,
        0.9,
        r"(?i:[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})",
    )
    .text(mac)
    .edge(Edge::Word),
    // Pairs of digits alone are more often something else.
    Rule::announced(Kind::Mac, 0.9, r"(?i:[0-9a-f]{2}(?:[:\-. ]?[0-9a-f]{2}){5})").edge(Edge::Word),
];

fn ipv4(text: &str) -> bool {
    // A port, and the size of a network, may follow.
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let (address, bits) = host.split_once('/').unwrap_or((host, "0"));
    // `Ipv4Addr` refuses leading zeros, as it should: 010.1.2.3 is somebody's section number.
    address.parse::<Ipv4Addr>().is_ok()
        && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
        && port.parse::<u16>().is_ok()
}

fn ipv6(text: &str) -> bool {
    let address = text.split(['/', '%']).next().unwrap_or(text);
    let groups = address.split(':').filter(|group| !group.is_empty()).count();
    groups >= 2 && address.parse::<Ipv6Addr>().is_ok()
}

fn mac(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_alphabetic()) || text.contains(':')
}
