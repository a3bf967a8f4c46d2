//! The guide's examples are read.

use holdpoint_inventory::Format;

use crate::shown;

const GUIDE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/items.md"));

fn block(language: &str) -> &'static str {
    let after = GUIDE.split("```").skip(1).step_by(2);
    after.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).next().unwrap()
}

#[test]
fn every_example_of_the_guide_is_an_inventory() {
    let own = "api-1 env=prod role=api @backend >db-1\ndb-1 env=prod role=db @backend\n";
    assert_eq!(
        shown(Format::Yaml, block("yaml")),
        format!("{own}web-1 env=prod role=web @web >api-1\n")
    );
    assert_eq!(shown(Format::Csv, block("csv")), own);
    let hosts = shown(Format::AnsibleIni, block("ini"));
    assert_eq!(hosts.lines().count(), 13);
    assert!(hosts.contains("web-10.example.com env=prod role=web @south @web\n"), "{hosts}");
}
