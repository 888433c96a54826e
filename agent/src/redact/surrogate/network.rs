//! Surrogates of addresses on networks, in ranges that belong to nobody.

use super::super::profile::Language;
use super::{Secret, people};

/// Domains that are reserved for examples (RFC 2606).
const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];

/// A mail address: the local part as names, at a reserved domain.
pub(super) fn mail(secret: &Secret, language: Language, original: &str) -> String {
    let (local, domain) = original.rsplit_once('@').unwrap_or((original, ""));
    let local = people::name(secret, language, local);
    let domain = DOMAINS[secret.below("domain", &[&domain.to_lowercase()], DOMAINS.len())];
    format!("{}@{domain}", local.to_lowercase().replace(' ', "."))
}

/// A web address of a reserved domain.
pub(super) fn url(secret: &Secret, original: &str) -> String {
    let scheme = original.split_once("://").map_or("", |(scheme, _)| scheme);
    let domain = DOMAINS[secret.below("domain", &[original], DOMAINS.len())];
    let path = secret.draw("url", &[original]) >> 32;
    if scheme.is_empty() {
        format!("www.{domain}/{path:08x}")
    } else {
        format!("{scheme}://{domain}/{path:08x}")
    }
}

/// An address of the private range 10/8 (RFC 1918), or of the range for documentation (RFC 3849).
pub(super) fn address(secret: &Secret, original: &str) -> Option<String> {
    // A network's size, and a port, stay.
    let version_four = original.contains('.') && original.matches(':').count() <= 1;
    let end = original.find(if version_four { &['/', ':'][..] } else { &['/', '%'][..] });
    let (host, bits) = original.split_at(end.unwrap_or(original.len()));
    let draw = secret.draw("machine", &[&host.to_lowercase()]);
    let [a, b, c, d, e, f, g, h] = draw.to_le_bytes();
    if !version_four && host.contains(':') {
        let groups = [[a, b], [c, d], [e, f], [g, h]].map(u16::from_le_bytes);
        let [a, b, c, d] = groups;
        return Some(format!("2001:db8::{a:x}:{b:x}:{c:x}:{d:x}{bits}"));
    }
    host.contains('.').then(|| format!("10.{a}.{b}.{c}{bits}"))
}

/// A hardware address that its owner's machine administers (IEEE 802: second bit of the first
/// octet), written as the original.
pub(super) fn hardware(secret: &Secret, original: &str) -> Option<String> {
    let digits: Vec<u8> = original
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    let small = String::from_utf8(digits).ok()?;
    if small.len() != 12 {
        return None;
    }
    let hex = format!("02{:010x}", secret.draw("hardware", &[&small]) & 0xff_ffff_ffff);
    let upper = original.bytes().any(|byte| byte.is_ascii_uppercase());
    let hex = if upper { hex.to_uppercase() } else { hex };
    let mut hex = hex.chars();
    original.chars().map(|c| if c.is_ascii_hexdigit() { hex.next() } else { Some(c) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret([9; 32])
    }

    #[test]
    fn mail_is_of_the_person_s_surrogate() {
        let name = people::name(&secret(), Language::English, "jane roe");
        let mail = mail(&secret(), Language::English, "jane.roe@clinic.example");
        assert!(mail.starts_with(&format!("{}@example.", name.replace(' ', "."))), "{mail}");
    }

    #[test]
    fn machines_get_addresses_of_nobody() {
        let made = address(&secret(), "192.168.7.12/24").unwrap();
        assert!(made.starts_with("10.") && made.ends_with("/24"), "{made}");
        made.trim_end_matches("/24").parse::<std::net::Ipv4Addr>().unwrap();
        let made = address(&secret(), "fe80::1ff:fe23:4567:890a").unwrap();
        assert!(made.parse::<std::net::Ipv6Addr>().is_ok(), "{made}");
        let made = hardware(&secret(), "00-1B-44-11-3A-B7").unwrap();
        assert!(made.starts_with("02-") && made.len() == 17 && made == made.to_uppercase());
        let made = address(&secret(), "10.1.2.3:8080").unwrap();
        assert!(made.starts_with("10.") && made.ends_with(":8080"), "{made}");
        assert_eq!(hardware(&secret(), "no address"), None);
        assert!(url(&secret(), "https://x.example/secret").starts_with("https://example."));
    }
}
