//! Inventories of Ansible, in both forms.

use holdpoint_inventory::{Format, Options, read};
use insta::assert_snapshot;

use crate::shown;

#[test]
fn an_ini_inventory_is_read_as_ansible_reads_it() {
    let source = r#"
# Before any section: ungrouped.
mail.example.com ansible_host=10.0.0.25 owner="Team A"

[web]
web-[01:03].example.com:2222 role=web   # three of them
web-09.example.com role='web' rack=b12 version=1.10 ports=[80,443]

[db]
db-[a:c]
; db-z

[db:vars]
role = db
env=test
db_password=hunter2
motd = "first {{ second }}"
tags = ['a', 'b']

[south:children]
web
db

[south:vars]
env=prod
site=south

[all:vars]
company=Example
"#;
    assert_snapshot!(shown(Format::AnsibleIni, source), @"
    db-a company=Example env=test role=db site=south @db @south
    db-b company=Example env=test role=db site=south @db @south
    db-c company=Example env=test role=db site=south @db @south
    mail.example.com company=Example owner=Team A
    web-01.example.com company=Example env=prod role=web site=south @south @web
    web-02.example.com company=Example env=prod role=web site=south @south @web
    web-03.example.com company=Example env=prod role=web site=south @south @web
    web-09.example.com company=Example env=prod rack=b12 role=web site=south version=1.10 @south @web
    ");
    let declared = crate::declared(Format::AnsibleIni, source);
    assert_eq!(declared.secrets.iter().collect::<Vec<_>>(), ["db_password"]);
    assert_eq!(declared.unfit.iter().collect::<Vec<_>>(), ["motd"]);
}

#[test]
fn a_yaml_inventory_is_read_as_ansible_reads_it() {
    let source = "
all:
  vars: { company: Example, ansible_user: root }
  hosts:
    mail.example.com:
  children:
    web:
      hosts:
        web-[01:02]: { rack: 010, version: 1.10, on: true, ports: [80] }
    south:
      vars: { env: prod }
      children:
        web: { vars: { env: stage } }
        db:
          hosts: { db-1: { env: test } }
empty:
";
    assert_snapshot!(shown(Format::AnsibleYaml, source), @"
    db-1 company=Example env=test @db @south
    mail.example.com company=Example
    web-01 company=Example env=stage on=true rack=010 version=1.10 @south @web
    web-02 company=Example env=stage on=true rack=010 version=1.10 @south @web
    ");
}

#[test]
fn the_variables_that_become_labels_can_be_chosen() {
    let source = "web-1 env=prod ansible_host=10.0.0.1 token=public other=x\n";
    let labels = ["ansible_host", "token"].iter().map(|one| one.parse().unwrap()).collect();
    let options = Options { labels: Some(labels) };
    let declared = read(Format::AnsibleIni, "hosts", source, &options).unwrap();
    let labels = declared.items["web-1"].labels.as_ref().unwrap();
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["ansible_host=10.0.0.1", "token=public"]);
}

#[test]
fn ranges_stand_for_hosts() {
    for (pattern, expected) in [
        ("web-[1:3]", "web-1 web-2 web-3"),
        ("web-[08:11]", "web-08 web-09 web-10 web-11"),
        ("n[0:8:4]", "n0 n4 n8"),
        ("n[:2]", "n0 n1 n2"),
        ("db-[a:c]", "db-a db-b db-c"),
        ("db-[X:Z:2]", "db-X db-Z"),
        ("r[1:2]-[a:b].x", "r1-a.x r1-b.x r2-a.x r2-b.x"),
        ("[1:2]x", "1x 2x"),
        ("web-1:22", "web-1"),
        ("web-[1:2]:22", "web-1 web-2"),
        ("2001:db8::1", "2001:db8::1"),
        ("[0:1]", "0 1"),
    ] {
        let source = format!("[g]\n{pattern} a=b\n");
        let declared = crate::declared(Format::AnsibleIni, &source);
        let mut names: Vec<&str> = expected.split(' ').collect();
        names.sort_unstable();
        assert_eq!(
            declared.items.keys().map(|one| one.as_str()).collect::<Vec<_>>(),
            names,
            "{pattern}"
        );
    }
}
