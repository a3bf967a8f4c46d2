//! `items`: what a project looks after.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const ITEMS: &str = "
items:
  db-1: { labels: { env: prod, role: db }, groups: [backend] }
  api-1: { labels: { env: prod, role: api }, groups: [backend], depends_on: [db-1] }
  web-1: { labels: { env: prod, role: web }, groups: [web], depends_on: [api-1] }
";

fn place() -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    place.write("items.yaml", ITEMS);
    place
}

#[test]
fn items_are_declared_listed_and_shown() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "items list",
        "items set items.yaml --dry-run",
        "items list",
        "items set items.yaml --as ada",
        "items set items.yaml --as ada",
        "items list --select 'env=prod, role in (web, api)'",
        "items list --select legacy",
        "items show api-1",
        "items show api-2",
        "items remove db-1 --as ada",
        "items remove web-1 --as ada",
        "items list --json --select name=db-1",
        "history",
    ]), @r#"
    $ holdpoint items list
    no items

    $ holdpoint items set items.yaml --dry-run
    + api-1 env=prod role=api, in backend, depends on db-1
    + db-1 env=prod role=db, in backend
    + web-1 env=prod role=web, in web, depends on api-1
    3 items added
    nothing was changed, as you asked with `--dry-run`

    $ holdpoint items list
    no items

    $ holdpoint items set items.yaml --as ada
    + api-1 env=prod role=api, in backend, depends on db-1
    + db-1 env=prod role=db, in backend
    + web-1 env=prod role=web, in web, depends on api-1
    3 items added

    $ holdpoint items set items.yaml --as ada
    3 items as before

    $ holdpoint items list --select 'env=prod, role in (web, api)'
    ITEM   LABELS             GROUPS   DEPENDS ON
    api-1  env=prod role=api  backend  db-1
    web-1  env=prod role=web  web      api-1

    $ holdpoint items list --select legacy
    no items are `legacy`

    $ holdpoint items show api-1
    api-1
      env: prod
      role: api
    groups: backend
    depends on: db-1
    depended upon by: web-1

    $ holdpoint items show api-2
    error: there is no item `api-2`
    help: `holdpoint items list` has the items there are
    [exit 2]

    $ holdpoint items remove db-1 --as ada
    error[HP1020]: `api-1` would depend on `db-1`, and there is no such item
    help: set `db-1` as well, or take it from the `depends_on` of `api-1`
    [exit 1]

    $ holdpoint items remove web-1 --as ada
    - web-1
    1 item removed

    $ holdpoint items list --json --select name=db-1
    {
      "items": [
        {
          "groups": [
            "backend"
          ],
          "labels": {
            "env": "prod",
            "role": "db"
          },
          "name": "db-1"
        }
      ]
    }

    $ holdpoint history
    project lab
      [time]  ada  created the project: lab
      [time]  ada  added ada as a member
      [time]  ada  gave ada the role owner
      [time]  ada  set 3 items: db-1, api-1, web-1
      [time]  ada  removed 1 item: web-1

    times are UTC; with `--json` every event is printed as it is stored
    "#);
}

#[test]
fn what_is_different_is_shown() {
    let _filters = filters();
    let place = place();
    place.must("items set items.yaml --as ada");
    place.write(
        "more.json",
        r#"{ "items": {
        "web-1": { "labels": { "env": "test", "owner": "a" }, "depends_on": [] },
        "web-2": { "groups": ["web"] }
    } }"#,
    );
    place.write(
        "bad.yaml",
        "items:\n  api-1: { depends_on: [web-1] }\n  web 3:\n  web-4: { tags: [a] }\n",
    );
    place.write("circle.yaml", "items:\n  db-1:\n    depends_on: [web-1]\n");
    let before = place.truth();
    assert_snapshot!(place.shows(&[
        "items set more.json --dry-run --prune",
        "items set bad.yaml --as ada",
        "items set circle.yaml --as ada",
        "items set nowhere.yaml --as ada",
        "items set circle.yaml --as ada --json",
    ]), @r#"
    $ holdpoint items set more.json --dry-run --prune
    + web-2, in web
    ~ web-1
        env: prod -> test
        owner: a, which is new
        role: web, which goes
        depends on: api-1 -> nothing
    - api-1
    - db-1
    1 item added, 1 item changed, 2 items removed
    nothing was changed, as you asked with `--dry-run`

    $ holdpoint items set bad.yaml --as ada
    bad.yaml:3: error[HP2302]: `web 3` is not the name of an item
    help: names are at most 253 of A-Z, a-z, 0-9 and -._:@/+, beginning and ending with a letter or digit

    bad.yaml:4: error[HP2309]: an item has no key `tags`
    help: the keys of an item are `labels`, `groups` and `depends_on`; what else you know of it is a label
    [exit 2]

    $ holdpoint items set circle.yaml --as ada
    circle.yaml:2: error[HP2311]: items depend on each other in a circle: api-1 -> db-1 -> web-1 -> api-1
    help: take one of these from the `depends_on` of the item before it
    [exit 2]

    $ holdpoint items set nowhere.yaml --as ada
    error: `nowhere.yaml` cannot be read: there is no such file
    help: give the file with the inventory, in UTF-8
    [exit 2]

    $ holdpoint items set circle.yaml --as ada --json
    {
      "error": {
        "findings": [
          {
            "code": "HP2311",
            "help": "take one of these from the `depends_on` of the item before it",
            "line": 2,
            "message": "items depend on each other in a circle: api-1 -> db-1 -> web-1 -> api-1"
          }
        ],
        "kind": "findings",
        "message": "circle.yaml cannot be used"
      }
    }
    [exit 2]
    "#);
    crate::common::assert_same(&before, &place.truth(), &"what is wrong changes nothing");
    assert_snapshot!(place.shows(&[
        "items set more.json --prune --as ada",
        "items list",
    ]), @"
    $ holdpoint items set more.json --prune --as ada
    + web-2, in web
    ~ web-1
        env: prod -> test
        owner: a, which is new
        role: web, which goes
        depends on: api-1 -> nothing
    - api-1
    - db-1
    1 item added, 1 item changed, 2 items removed

    $ holdpoint items list
    ITEM   LABELS            GROUPS  DEPENDS ON
    web-1  env=test owner=a  web
    web-2                    web
    ");
}

#[test]
fn inventories_are_imported() {
    let _filters = filters();
    let place = place();
    place.write(
        "hosts.ini",
        "[web]\nweb-[01:02] ansible_host=10.0.0.1 token=x\n[web:vars]\nenv=prod\nnote={{ x }}\n",
    );
    place.write(
        "hosts.yaml",
        "all: { children: { db: { hosts: { 'db-[1:2]': { env: test } } } } }\n",
    );
    place.write("hosts.csv", "name,depends_on,site\nweb-01,db-1,south\n");
    assert_snapshot!(place.shows(&[
        "items import hosts.ini --format ansible-ini --as ada",
        "items import hosts.yaml --format ansible-yaml --as ada",
        "items import hosts.csv --format csv --as ada",
        "items import hosts.ini --format csv --as ada",
        "items import hosts.ini --format ansible-ini --label token --as ada --json",
    ]), @r#"
    $ holdpoint items import hosts.ini --format ansible-ini --as ada
    + web-01 env=prod, in web
    + web-02 env=prod, in web
    2 items added
    left out: token may be secrets, and did not become labels; name those that are none with `--label`
    left out: note cannot be labels: by name, or by a value that is long, of several lines, or a template

    $ holdpoint items import hosts.yaml --format ansible-yaml --as ada
    + db-1 env=test, in db
    + db-2 env=test, in db
    2 items added

    $ holdpoint items import hosts.csv --format csv --as ada
    ~ web-01
        env: prod, which goes
        site: south, which is new
        depends on: nothing -> db-1
    1 item changed

    $ holdpoint items import hosts.ini --format csv --as ada
    hosts.ini:1: error[HP2309]: the table has no column `name`
    help: its first line names the columns, separated by commas: `name`, `groups`, `depends_on`, and a label each for the others
    [exit 2]

    $ holdpoint items import hosts.ini --format ansible-ini --label token --as ada --json
    {
      "added": [],
      "changed": [
        {
          "after": {
            "depends_on": [
              "db-1"
            ],
            "groups": [
              "web"
            ],
            "labels": {
              "token": "x"
            }
          },
          "before": {
            "depends_on": [
              "db-1"
            ],
            "groups": [
              "web"
            ],
            "labels": {
              "site": "south"
            }
          },
          "name": "web-01"
        },
        {
          "after": {
            "groups": [
              "web"
            ],
            "labels": {
              "token": "x"
            }
          },
          "before": {
            "groups": [
              "web"
            ],
            "labels": {
              "env": "prod"
            }
          },
          "name": "web-02"
        }
      ],
      "left_out": {
        "secrets": [],
        "unfit": []
      },
      "project": "lab",
      "removed": [],
      "sequence": 7,
      "unchanged": 0,
      "version": 7
    }
    "#);
}

#[test]
fn many_items_are_imported_at_once() {
    let place = place();
    place.write("hosts.ini", "[web]\nweb-[00001:12000] env=prod rack=a\n");
    let told = place.must("items import hosts.ini --format ansible-ini --as ada");
    assert!(told.contains("12000 items added"), "{told}");
    assert_eq!(place.ask("items list")["items"].as_array().unwrap().len(), 12_000);
    place.write("none.yaml", "items:\n");
    let told = place.must("items set none.yaml --prune --as ada");
    assert!(told.contains("12000 items removed"), "{told}");
    place.must("verify");
}
