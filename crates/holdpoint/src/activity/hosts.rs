//! Which hosts may be contacted, by activities, health checks or redirects: the operator's list, never a run's input.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// The hosts that may be contacted. Without an entry, none.
///
/// A name is compared as it is written, without asking a name server, and an address as a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: Host,
    /// Every port, where there is none.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Name(String),
    /// Every name that ends so, with its dot.
    Below(String),
    Net(IpNet),
}

impl Hosts {
    /// Reads entries such as `db-1`, `db-1:5432`, `*.example.com`, `10.0.0.0/8`, `[::1]:80`, `*`.
    ///
    /// # Errors
    /// In words, which entry is none.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let entry = |text: &str| match confused(text) {
            Some(why) => Err(format!("`{text}` is no host: {why}")),
            None => entry(text).ok_or_else(|| format!("`{text}` is no host")),
        };
        entries.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// Whether none is listed.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `host` may be contacted at `port`. `host` is a name or an address, one of IPv6 with
    /// or without brackets.
    pub(super) fn allow(&self, host: &str, port: u16) -> bool {
        let host = bare(host).trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port)
                && match (&entry.host, address) {
                    (Host::Any, _) => true,
                    (Host::Net(net), Some(address)) => net.contains(&address),
                    (Host::Name(name), None) => *name == host,
                    (Host::Below(end), None) => host.ends_with(end),
                    (Host::Net(_), None) | (Host::Name(_) | Host::Below(_), Some(_)) => false,
                }
        })
    }
}

/// An address of IPv6 without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn a_port(text: &str) -> Option<u16> {
    let port = text.parse().ok().filter(|port| *port > 0)?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(port)
}

/// Why an entry could be taken for something else than was meant, with what to write instead.
fn confused(text: &str) -> Option<String> {
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return Some(format!("write `{host}`, without the scheme and the path"));
    }
    if let Some((address, port)) = text.rsplit_once(':')
        && text.parse::<Ipv6Addr>().is_ok()
        && address.parse::<Ipv6Addr>().is_ok()
        && let Some(port) = a_port(port)
    {
        return Some(format!(
            "write `[{address}]:{port}` for that port, or `[{text}]` for the address"
        ));
    }
    let inside = text.strip_prefix('[').and_then(|text| text.split_once(']'));
    if inside.is_some_and(|(inside, _)| inside.parse::<Ipv6Addr>().is_err()) {
        return Some("brackets are for an address of IPv6".to_owned());
    }
    let host = entry(text)?.host;
    match host {
        Host::Net(net) if net.addr() != net.network() => {
            let network = net.trunc();
            Some(format!("write `{network}` for the network, or `{}` for the address", net.addr()))
        }
        Host::Name(name) if is_like_an_address(&name) => {
            Some("an address has four numbers up to 255, such as `10.0.0.1`".to_owned())
        }
        Host::Below(end) if is_like_an_address(&end) => {
            Some("a network is written as `10.0.0.0/8`".to_owned())
        }
        _ => None,
    }
}

/// Whether a name ends in a number: no host can be called so, as it would be taken for an address.
fn is_like_an_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    name.contains('.') && !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
}

fn entry(text: &str) -> Option<Entry> {
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an address of IPv6 are not followed by a port.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(a_port(port)?))
        }
        _ => (text, None),
    };
    let host = bare(host).trim_end_matches('.').to_ascii_lowercase();
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
    };
    let host = if host == "*" {
        Host::Any
    } else if let Ok(net) = host.parse::<IpNet>() {
        Host::Net(net)
    } else if let Ok(address) = host.parse::<IpAddr>() {
        Host::Net(IpNet::from(address))
    } else if let Some(end) = host.strip_prefix("*.").filter(|end| is_name(end)) {
        Host::Below(format!(".{end}"))
    } else if is_name(&host) {
        Host::Name(host)
    } else {
        return None;
    };
    Some(Entry { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_may_be_contacted() {
        let hosts = [
            "db-1:5432",
            "Web.example.com",
            "*.lab.example.com:80",
            "10.1.0.0/16",
            "[::1]:8080",
            "fd00::/8",
        ];
        let hosts = Hosts::new(hosts).unwrap();
        for (host, port, expected) in [
            ("db-1", 5432, true),
            ("db-1", 5433, false),
            ("db-1.", 5432, true),
            ("web.EXAMPLE.com", 1, true),
            ("example.com", 1, false),
            ("a.web.example.com", 1, false),
            ("a.b.lab.example.com", 80, true),
            ("lab.example.com", 80, false),
            ("evillab.example.com", 80, false),
            ("10.1.255.255", 9, true),
            ("10.2.0.0", 9, false),
            ("[::ffff:10.1.0.1]", 9, true),
            ("10.1.0.1.example.com", 9, false),
            ("[::1]", 8080, true),
            ("::1", 8081, false),
            ("[fd12::1]", 1, true),
        ] {
            assert_eq!(hosts.allow(host, port), expected, "{host}:{port}");
        }
        assert!(!Hosts::default().allow("localhost", 80));
        assert!(Hosts::new(["*"]).unwrap().allow("::1", 80));
        assert!(!Hosts::new(["*:80"]).unwrap().allow("a", 81));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            "http://h",
            "h:",
            "h:0x50",
            "h:65536",
            "h:0",
            "h:+80",
            "a b",
            "*x",
            "a.*",
            "10.0.0.0/33",
            "h/path",
        ] {
            assert!(Hosts::new([bad]).is_err(), "{bad}");
        }
        for good in ["h", "::1", "[::1]", "fd00::1", "1:2:3:4:5:6:7:8", "*:443", "10.0.0.0/8:80"] {
            assert!(Hosts::new([good]).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_refused_with_what_to_write() {
        for (bad, expected) in [
            ("https://h:8443/path", "write `h:8443`, without the scheme and the path"),
            (
                "fd00::1:8080",
                "write `[fd00::1]:8080` for that port, or `[fd00::1:8080]` for the address",
            ),
            ("[db-1]:80", "brackets are for an address of IPv6"),
            ("10.1.2.3/8", "write `10.0.0.0/8` for the network, or `10.1.2.3` for the address"),
            ("10.1.2", "an address has four numbers up to 255, such as `10.0.0.1`"),
            ("10.1.2.300", "an address has four numbers up to 255, such as `10.0.0.1`"),
            ("*.1.2", "a network is written as `10.0.0.0/8`"),
        ] {
            let told = Hosts::new([bad]).unwrap_err();
            assert_eq!(told, format!("`{bad}` is no host: {expected}"));
        }
    }
}
