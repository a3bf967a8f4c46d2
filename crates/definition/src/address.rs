//! Addresses of the form `HOST:PORT`: which there are, and which templates could give one.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::template::Template;

/// The longest part of a host's name, RFC 1035.
const LABEL_BYTES_MAX: usize = 63;

/// Whether `text` has the form `HOST:PORT` and nothing that leads elsewhere. It is what every version
/// has asked of addresses, so that runs that are under way go on with theirs.
pub(crate) fn is_address(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    is_plain(text) && port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// Whether something could have the address: a name or an address of IPv4 or IPv6, and a port.
pub(crate) fn is_reachable(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port))
}

/// Whether some values could make an address of the template.
pub(crate) fn could_be_reachable(template: &Template) -> bool {
    if let Some(text) = template.literal() {
        return is_reachable(text);
    }
    let (start, end) = (template.literal_start(), template.literal_end());
    let begins = !start.starts_with(['-', '.']) && is_plain(start);
    let ends = match end.rsplit_once(':') {
        Some((host, port)) => !host.ends_with('-') && is_plain(host) && is_port(port),
        None => end.bytes().all(|byte| byte.is_ascii_digit()),
    };
    begins && ends
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().is_ok();
    }
    let labels: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    let is_number = |label: &&str| label.bytes().all(|byte| byte.is_ascii_digit());
    if labels.len() == 4 && labels.iter().all(is_number) {
        return text.parse::<Ipv4Addr>().is_ok();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    labels.iter().all(|label| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::expr::Scope;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in [
            "db-1:5432",
            "10.0.0.1:1",
            "[::1]:80",
            "fd00::1:80",
            "a_b.example:65535",
            "db.example.:80",
            "7:80",
        ] {
            assert!(is_address(good) && is_reachable(good), "{good}");
        }
        for bad in ["db-1", ":80", "db-1:", "db-1:65536", "a b:1", "a@b:1", "a/b:1", "a:b"] {
            assert!(!is_address(bad) && !is_reachable(bad), "{bad}");
        }
        let long = format!("{}:80", "a".repeat(64));
        for never in [
            "[::1",
            "[::1]",
            "-:80",
            "-a:80",
            "a-:80",
            "a..b:80",
            ".:80",
            "[db-1]:80",
            "a:b:80",
            "10.0.0.256:80",
            "db-1:0",
            &long,
        ] {
            assert!(!is_reachable(never), "{never}");
        }
    }

    #[test]
    fn a_template_is_refused_only_where_no_value_makes_an_address_of_it() {
        let (schema, states) = (json!({}), BTreeSet::new());
        let scope = Scope { schema: &schema, states: Some(&states), risk: None, also: &["target"] };
        for (text, expected) in [
            ("${target}", true),
            ("${target}:5432", true),
            ("[${target}]:80", true),
            ("${target}:${input.port}", true),
            ("10.0.${target}.1:80", true),
            ("${target}0", true),
            ("db-${target}.example:80", true),
            ("[fd00::${target}", true),
            ("${target}:", false),
            ("${target}:http", false),
            ("${target}:0", false),
            ("${target}:65536", false),
            ("${target}-:80", false),
            ("-${target}:80", false),
            ("${target}.example", false),
            ("http://${target}:80", false),
            ("${target}:80/health", false),
        ] {
            let (template, _) = Template::compile(text, &scope);
            assert_eq!(could_be_reachable(&template.unwrap()), expected, "{text}");
        }
    }
}
