//! The shape of `evidence`: the pieces that a hold demands.

use std::collections::BTreeSet;

use holdpoint_core::evidence::is_media_type;

use crate::{
    diagnostics::DiagnosticCode as Code,
    evidence::{Again, Demand},
    node::{Key, Kind, Node},
    syntax::{Reader, listed},
    syntax_approval::{items, read_approvers, read_not},
    syntax_work::fixed,
};

pub(crate) const DEMAND: &[&str] = &["when", "from", "not", "media", "max_size", "valid", "again"];

/// The units of sizes, and how many bytes each has.
const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads what is demanded: a list of names, or a mapping from names to what each must be.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Demand>> {
    let read: Vec<Option<Demand>> = match &node.kind {
        Kind::List(names) => names
            .iter()
            .map(|item| {
                let name = reader.name(item, "a piece of evidence")?;
                Some(plain(name, item.span.clone()))
            })
            .collect(),
        Kind::Map(entries) => {
            entries.iter().map(|(key, node)| read_demand(key, node, reader)).collect()
        }
        _ => {
            reader.wrong(node, "`evidence` is a list of names, or a mapping from names to demands");
            return None;
        }
    };
    if read.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "no evidence is demanded")
            .help("name some, such as `evidence: [test-report]`, or leave the key out");
        return None;
    }
    let read: Vec<Demand> = read.into_iter().collect::<Option<_>>()?;
    let mut names = BTreeSet::new();
    for demand in &read {
        if !names.insert(&demand.name) {
            reader
                .findings
                .add(
                    Code::DuplicateKey,
                    &demand.span,
                    format!("the evidence `{}` is demanded twice", demand.name),
                )
                .help("name it once");
        }
    }
    Some(read)
}

fn plain(name: String, span: crate::node::Span) -> Demand {
    Demand {
        name,
        when: None,
        from: Vec::new(),
        not: Vec::new(),
        media: Vec::new(),
        max_size: None,
        valid: None,
        again: BTreeSet::new(),
        span,
    }
}

fn read_demand(key: &Key, node: &Node, reader: &mut Reader<'_>) -> Option<Demand> {
    let named = reader.is_name(&key.name, &key.span, "a piece of evidence");
    let fields = reader.fields(node, "a piece of evidence", DEMAND)?;
    let mut whole = named;
    let mut demand = plain(key.name.clone(), key.span.clone());
    if let Some(node) = fields.get("when") {
        demand.when = reader.expr(node, &[]);
        whole &= demand.when.is_some();
    }
    let mut take = |found: Option<()>| whole &= found.is_some();
    if let Some(node) = fields.get("from") {
        take(read_approvers(node, reader).map(|from| demand.from = from));
    }
    if let Some(node) = fields.get("not") {
        take(read_not(node, reader).map(|not| demand.not = not));
    }
    if let Some(node) = fields.get("media") {
        take(read_media(node, reader).map(|media| demand.media = media));
    }
    if let Some(node) = fields.get("max_size") {
        take(read_size(node, reader).map(|size| demand.max_size = Some(size)));
    }
    if let Some(node) = fields.get("valid") {
        take(fixed(node, "`valid`", reader).map(|valid| demand.valid = Some(valid)));
    }
    if let Some(node) = fields.get("again") {
        take(read_again(node, reader).map(|again| demand.again = again));
    }
    whole.then_some(demand)
}

fn read_media(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let read: Vec<_> = items(node)
        .iter()
        .map(|item| {
            let text = reader.text(item, "a media type")?.to_owned();
            let asked =
                text.strip_suffix("/*").map_or_else(|| text.clone(), |kind| format!("{kind}/x"));
            if !is_media_type(&asked) {
                reader
                    .findings
                    .add(Code::WrongKind, &item.span, format!("`{text}` is not a media type"))
                    .help("media types are such as `application/pdf`, or `image/*` for all images");
                return None;
            }
            Some(text)
        })
        .collect();
    read.into_iter().collect()
}

fn read_size(node: &Node, reader: &mut Reader<'_>) -> Option<u64> {
    let read = match &node.kind {
        Kind::Int(bytes) => u64::try_from(*bytes).ok(),
        Kind::Text(text) => size(text),
        _ => None,
    };
    let read = read.filter(|bytes| *bytes > 0);
    if read.is_none() {
        reader
            .findings
            .add(Code::WrongKind, &node.span, "`max_size` is not a size")
            .help("sizes are such as `500 kB`, `10 MB` or `2 GiB`, or a number of bytes");
    }
    read
}

/// Reads a size such as `10 MB`: a whole number and a unit.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit.trim() {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A size as definitions are written: in the largest unit of which it is a whole number.
pub(crate) fn size_in_words(bytes: u64) -> String {
    let whole = |unit: &&(&str, u64)| bytes.is_multiple_of(unit.1);
    match UNITS.iter().filter(whole).max_by_key(|(_, unit)| *unit) {
        Some((name, unit)) if *unit > 1 => {
            format!("{} {name}", bytes.checked_div(*unit).unwrap_or(bytes))
        }
        _ => format!("{bytes} bytes"),
    }
}

fn read_again(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeSet<Again>> {
    let names: Vec<&str> = Again::ALL.iter().map(|one| one.as_str()).collect();
    let read: Vec<_> = items(node)
        .iter()
        .map(|item| {
            let text = reader.text(item, "`again`")?;
            let found = Again::ALL.into_iter().find(|one| one.as_str() == text);
            if found.is_none() {
                reader
                    .findings
                    .add(Code::WrongKind, &item.span, format!("`again` cannot be `{text}`"))
                    .help(format!("when it is demanded anew: {}", listed(&names)));
            }
            found
        })
        .collect();
    read.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in [
            ("1", Some(1)),
            ("10 MB", Some(10_000_000)),
            ("10MB", Some(10_000_000)),
            ("512 KiB", Some(524_288)),
            ("2 GiB", Some(2_147_483_648)),
            ("1500 B", Some(1_500)),
            ("10 mb", None),
            ("MB", None),
            ("-1 MB", None),
            ("1.5 MB", None),
            ("99999999999999 GB", None),
            ("", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
        for text in ["10 MB", "512 KiB", "2 GiB", "1500 bytes", "3 kB"] {
            let bytes = size(&text.replace("bytes", "B")).unwrap();
            let written = size_in_words(bytes);
            assert_eq!(size(&written.replace("bytes", "B")), Some(bytes), "{text}: {written}");
        }
        assert_eq!(size_in_words(10_000_000), "10 MB");
    }
}
