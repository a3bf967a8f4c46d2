//! Any text is answered: nothing panics, nothing runs for ever, and what is accepted can be kept.

use holdpoint_core::Items;
use holdpoint_inventory::{Format, Options, Rest, read};
use proptest::prelude::*;

const FORMATS: [Format; 5] =
    [Format::Yaml, Format::Json, Format::Csv, Format::AnsibleIni, Format::AnsibleYaml];

const INI: &str = "mail owner=\"Team A\"\n[web]\nweb-[01:03]:22 role=web # x\n[db]\ndb-[a:c]\n[db:vars]\n\
    env = prod\n[south:children]\nweb\ndb\n";
const ANSIBLE: &str = "all:\n  hosts: { mail: }\n  children:\n    web: { hosts: { 'web-[1:3]': { a: 1.10 } } }\n    \
    south: { vars: { env: prod }, children: { web: } }\n";
const OWN: &str = "items:\n  db-1: { labels: { env: prod, n: 012 } }\n  web-1: { groups: [web], depends_on: [db-1] }\n";
const JSON: &str = "{\"items\":[{\"name\":\"a\",\"labels\":{\"x\":\"\\u00e4\"},\"groups\":[\"g\"]},{\"name\":\"b\",\"depends_on\":[\"a\"]}]}";
const CSV: &str = "name,groups,depends_on,env\ndb-1,\"a;b\",,prod\nweb-1,,db-1,\n";

fn try_all(text: &str) {
    for format in FORMATS {
        let Ok(declared) = read(format, "hosts", text, &Options::default()) else { continue };
        let Ok(difference) = declared.against(&Items::default(), Rest::Keep) else { continue };
        // What the reader lets through, the project takes, unless it is too much at once.
        let set = difference.set();
        if set.len() <= 10_000 {
            let mut items = Items::default();
            for piece in items.decide(&set, &[]).unwrap() {
                items.change(piece).unwrap();
            }
            assert!(declared.against(&items, Rest::Remove).unwrap().is_empty());
        }
    }
}

/// A text in which some pieces were removed, doubled or overwritten.
fn mutated() -> impl Strategy<Value = String> {
    let change = (
        any::<proptest::sample::Index>(),
        0..8_usize,
        prop_oneof![
            Just(None),
            "[ -~]{0,4}".prop_map(Some),
            "\\PC{0,2}".prop_map(Some),
            prop_oneof![
                Just("\n"),
                Just("["),
                Just("]"),
                Just(": "),
                Just("99999"),
                Just(","),
                Just("[web:vars]\n"),
                Just("  ")
            ]
            .prop_map(|text| Some(text.to_owned())),
        ],
    );
    (
        prop_oneof![Just(INI), Just(ANSIBLE), Just(OWN), Just(JSON), Just(CSV)],
        proptest::collection::vec(change, 1..5),
    )
        .prop_map(|(text, changes)| {
            let mut bytes = text.as_bytes().to_vec();
            for (at, length, new) in changes {
                let start = at.index(bytes.len() + 1).min(bytes.len());
                let end = (start + length).min(bytes.len());
                let new = new.map_or_else(|| bytes[start..end].repeat(2), String::into_bytes);
                bytes.splice(start..end, new);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, max_shrink_iters: 300, ..Default::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}") {
        try_all(&text);
    }

    #[test]
    fn any_change_of_an_inventory_is_answered(text in mutated()) {
        try_all(&text);
    }
}

#[test]
fn what_is_mutated_is_right_before() {
    for (format, text) in [
        (Format::AnsibleIni, INI),
        (Format::AnsibleYaml, ANSIBLE),
        (Format::Yaml, OWN),
        (Format::Json, JSON),
        (Format::Csv, CSV),
    ] {
        assert!(!read(format, "hosts", text, &Options::default()).unwrap().items.is_empty());
        try_all(text);
    }
}
