//! The project's own form, and tables.

use holdpoint_inventory::{Format, Options, read};
use insta::assert_snapshot;

use crate::shown;

#[test]
fn items_are_a_mapping_or_a_list_in_yaml_or_json() {
    let mapping = "
items:
  db-1:
    labels: { env: prod, rack: 012, version: 1.10, empty: }
  web-1: { groups: web, depends_on: [db-1] }
  bare:
";
    assert_snapshot!(shown(Format::Yaml, mapping), @"
    bare
    db-1 empty= env=prod rack=012 version=1.10
    web-1 @web >db-1
    ");
    let list = "- { name: web-1, labels: { a: \"x: y\" } }\n- name: web-2\n";
    assert_snapshot!(shown(Format::Yaml, list), @"
    web-1 a=x: y
    web-2
    ");
    let json = r#"{ "items": [ { "name": "web-1", "labels": { "note": "S\u00fcd", "n": 5 }, "groups": ["a", "b"] } ] }"#;
    assert_snapshot!(shown(Format::Json, json), @"web-1 n=5 note=Süd @a @b");
    assert_eq!(shown(Format::Yaml, "items:\n"), "");
}

#[test]
fn a_table_has_a_row_an_item() {
    let table = "\u{feff}name, groups ,depends_on,env,note\r\n\
        db-1,\"backend;south\",,prod,\"one, two\"\r\n\
        web-1,,db-1,,\r\n";
    assert_snapshot!(shown(Format::Csv, table), @"
    db-1 env=prod note=one, two @backend @south
    web-1 >db-1
    ");
    assert_eq!(shown(Format::Csv, "name\n"), "");
}

#[test]
fn columns_that_look_like_secrets_are_left_out_unless_they_are_named() {
    let table =
        "name,env,root_password,url\nweb-1,prod,hunter2,http://u:p@h/\nweb-2,test,,http://h/\n";
    assert_snapshot!(shown(Format::Csv, table), @"
    web-1 env=prod
    web-2 env=test url=http://h/
    ");
    let options = Options { labels: Some(["root_password".parse().unwrap()].into()) };
    let declared = read(Format::Csv, "table.csv", table, &options).unwrap();
    let labels: Vec<String> = declared.items["web-1"]
        .labels
        .iter()
        .flatten()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(labels, ["root_password=hunter2"]);
}

#[test]
fn quotes_of_a_table_are_closed_or_stand_for_themselves() {
    for table in [
        "name,env\nweb-1,\"a, \"\"b\"\"\"\n",
        "name,env\nweb-1,5\" rack\n",
        "name,env\nweb-1,\"\"\n",
        "name,env\r\n\"web-1\",\"x\"\r\n",
        "name,env\nweb-1,\"over two\nlines\"\n",
    ] {
        let options = Options { labels: Some([].into()) };
        assert!(read(Format::Csv, "table.csv", table, &options).is_ok(), "{table}");
    }
}
