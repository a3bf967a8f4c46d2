//! `init` and `project`: directories, projects and their people.

use insta::assert_snapshot;

use crate::common::{Place, filters};

#[test]
fn a_directory_is_made_once() {
    let _filters = filters();
    let place = Place::empty();
    assert_snapshot!(place.shows(&["project list", "init", "init", "project list", "list", "history", "project show"]), @"
    $ holdpoint project list
    error: there is no directory `./holdpoint-data`
    help: make it with `holdpoint --dir ./holdpoint-data init`, or name another with `--dir` or HOLDPOINT_DIR
    [exit 2]

    $ holdpoint init
    made the data directory ./holdpoint-data
    the key for those who check its history: [key]
    next: say in ./holdpoint-data/holdpoint.toml what runs may ask for
    next: `holdpoint project create NAME --as MEMBER`

    $ holdpoint init
    error: `./holdpoint-data` is a data directory already
    help: use it as it is, or name another directory
    [exit 2]

    $ holdpoint project list
    no projects

    $ holdpoint list
    no runs

    $ holdpoint history
    error: the directory has no project yet
    help: create one: `holdpoint project create NAME --as MEMBER`
    [exit 2]

    $ holdpoint project show
    error: the directory has no project yet
    help: create one: `holdpoint project create NAME --as MEMBER`
    [exit 2]
    ");
    assert_snapshot!(place.shows(&["init --json --dir other"]), @r#"
    $ holdpoint init --json --dir other
    {
      "directory": "other",
      "key": "[key]"
    }
    "#);
}

#[test]
fn a_project_and_its_people() {
    let _filters = filters();
    let place = Place::empty();
    place.must("init");
    assert_snapshot!(place.shows(&[
        "project create lab --title 'The lab' --as ada",
        "project member add bob --name 'Bob B.' --role engineer --role board --as ada",
        "project member add cy --as ada",
        "project role grant cy engineer --as ada",
        "project role revoke bob board --as ada",
        "project qualify bob network --issuer CCIE --from 2019-01-01 --until 2051-01-01 --as ada",
        "project qualify bob storage --issuer 'the vendor' --until 2019-01-01T00:00:00Z --as ada",
        "project qualify cy network --issuer CCIE --as ada",
        "project show",
        "project disqualify cy network --reason 'it lapsed' --as ada",
        "project member remove cy --as ada",
        "project list",
        "project create other --as ada",
        "project list",
        "verify",
    ]), @"
    $ holdpoint project create lab --title 'The lab' --as ada
    created the project `lab`

    $ holdpoint project member add bob --name 'Bob B.' --role engineer --role board --as ada
    `bob` is a member: engineer, board

    $ holdpoint project member add cy --as ada
    `cy` is a member

    $ holdpoint project role grant cy engineer --as ada
    `cy` holds the role `engineer`

    $ holdpoint project role revoke bob board --as ada
    `bob` no longer holds the role `board`

    $ holdpoint project qualify bob network --issuer CCIE --from 2019-01-01 --until 2051-01-01 --as ada
    `bob` is qualified in network from 2019-01-01 00:00:00 until 2051-01-01 00:00:00 (CCIE)

    $ holdpoint project qualify bob storage --issuer 'the vendor' --until 2019-01-01T00:00:00Z --as ada
    `bob` is qualified in storage until 2019-01-01 00:00:00 (the vendor), which is not valid now

    $ holdpoint project qualify cy network --issuer CCIE --as ada
    `cy` is qualified in network (CCIE)

    $ holdpoint project show
    lab: The lab
    created [time] UTC, 3 members, 0 published definitions

    MEMBER  NAME    ROLES     QUALIFICATIONS
    ada     ada     owner
    bob     Bob B.  engineer  in network from 2019-01-01 00:00:00 until 2051-01-01 00:00:00 (CCIE); in storage until 2019-01-01 00:00:00 (the vendor), not valid now
    cy      cy      engineer  in network (CCIE)

    $ holdpoint project disqualify cy network --reason 'it lapsed' --as ada
    `cy` is no longer qualified in network

    $ holdpoint project member remove cy --as ada
    `cy` is no longer a member

    $ holdpoint project list
    PROJECT  TITLE    MEMBERS  CREATED (UTC)
    lab      The lab  2        [time]

    $ holdpoint project create other --as ada
    created the project `other`

    $ holdpoint project list
    PROJECT  TITLE    MEMBERS  CREATED (UTC)
    lab      The lab  2        [time]
    other    other    1        [time]

    $ holdpoint verify
    the log is whole: 17 events in 2 streams, [n] bytes
    every run replays: 0 runs
    root sha256:[digest]
    ");
}

#[test]
fn as_json() {
    let _filters = filters();
    let place = Place::empty();
    place.must("init");
    assert_snapshot!(place.shows(&[
        "project create lab --title 'The lab' --as ada --json",
        "project member add bob --name 'Bob B.' --role engineer --as ada --json",
        "project qualify bob network --issuer CCIE --until 2051-01-01 --as ada --json",
        "project show --json",
        "project list --json",
    ]), @r#"
    $ holdpoint project create lab --title 'The lab' --as ada --json
    {
      "project": "lab",
      "sequence": 3,
      "version": 3
    }

    $ holdpoint project member add bob --name 'Bob B.' --role engineer --as ada --json
    {
      "project": "lab",
      "sequence": 5,
      "version": 5
    }

    $ holdpoint project qualify bob network --issuer CCIE --until 2051-01-01 --as ada --json
    {
      "project": "lab",
      "sequence": 6,
      "version": 6
    }

    $ holdpoint project show --json
    {
      "created": "[time]",
      "definitions": [],
      "members": {
        "ada": {
          "name": "ada",
          "qualifications": [],
          "roles": [
            "owner"
          ]
        },
        "bob": {
          "name": "Bob B.",
          "qualifications": [
            {
              "domain": "network",
              "issuer": "CCIE",
              "until": "2051-01-01T00:00:00Z"
            }
          ],
          "roles": [
            "engineer"
          ]
        }
      },
      "project": "lab",
      "substitutions": [],
      "title": "The lab",
      "updated": "[time]",
      "version": 6
    }

    $ holdpoint project list --json
    {
      "projects": [
        {
          "created": "[time]",
          "definitions": [],
          "members": {
            "ada": {
              "name": "ada",
              "qualifications": [],
              "roles": [
                "owner"
              ]
            },
            "bob": {
              "name": "Bob B.",
              "qualifications": [
                {
                  "domain": "network",
                  "issuer": "CCIE",
                  "until": "2051-01-01T00:00:00Z"
                }
              ],
              "roles": [
                "engineer"
              ]
            }
          },
          "project": "lab",
          "substitutions": [],
          "title": "The lab",
          "updated": "[time]",
          "version": 6
        }
      ]
    }
    "#);
}

#[test]
fn who_may_not_is_told_what_it_takes() {
    let _filters = filters();
    let place = Place::lab();
    assert_snapshot!(place.refuses("project create lab --as ada", "HP1010"), @"
    error[HP1010]: there is a project `lab` already
    help: `holdpoint project show` lists members and roles, `holdpoint definitions list` the definitions, `holdpoint calendar list` the calendars
    ");
    assert_snapshot!(place.refuses("project member add bob --as ada", "HP1010"), @"
    error[HP1010]: `bob` is a member already
    help: to give them another role: `holdpoint project role grant bob ROLE`
    ");
    assert_snapshot!(place.refuses("project member add zed --as bob", "HP1002"), @"
    error[HP1002]: `bob` may not change the project `lab`: that takes the role `owner`
    help: ask an owner of the project: ada
    ");
    assert_snapshot!(place.refuses("project member remove zed --as ada", "HP1001"), @"
    error[HP1001]: `zed` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    ");
    assert_snapshot!(place.refuses("project member remove ada --as ada", "HP1002"), @"
    error[HP1002]: `ada` is the project's last owner, and a project must have one
    help: grant another member the role `owner` first
    ");
    assert_snapshot!(place.refuses("project role grant zed board --as ada", "HP1001"), @"
    error[HP1001]: `zed` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    ");
    assert_snapshot!(place.refuses("project role grant bob engineer --as ada", "HP1010"), @"
    error[HP1010]: `bob` holds the role `engineer` already
    help: `holdpoint project show` lists members and roles, `holdpoint definitions list` the definitions, `holdpoint calendar list` the calendars
    ");
    assert_snapshot!(place.refuses("project role revoke bob board --as ada", "HP1009"), @"
    error[HP1009]: `bob` does not hold the role `board`
    help: `holdpoint project show` lists members and roles, `holdpoint definitions list` the definitions, `holdpoint calendar list` the calendars
    ");
    place.sh("project disqualify bob network --as ada").fails_well(2, &"without a reason");
    assert_snapshot!(place.refuses("project disqualify cy network --reason 'it lapsed' --as ada", "HP1009"), @"
    error[HP1009]: `cy` has no qualification in `network`
    help: `holdpoint project show` lists members and roles, `holdpoint definitions list` the definitions, `holdpoint calendar list` the calendars
    ");
    assert_snapshot!(
        place.refuses("project qualify cy network --issuer CCIE --from 2050-01-01 --until 2049-01-01 --as ada", "HP1008"),
        @"
    error[HP1008]: the qualification would end ([time]) before it begins (2050-01-01T00:00:00Z)
    help: let `until` be later than `from`, or leave one of them out
    "
    );
}

#[test]
fn the_project_is_inferred_when_there_is_one() {
    let place = Place::lab();
    place.must("project show");
    place.must("project create zoo --as ada");
    for line in ["project show", "definitions list", "history", "project member add zed --as ada"] {
        let ran = place.sh(line);
        ran.fails_well(2, &line);
        assert!(ran.errors.contains("help: say `--project` and one of: lab, zoo"), "{ran}");
    }
    assert_snapshot!(place.shows(&["--project nowhere project show"]), @"
    $ holdpoint --project nowhere project show
    error: there is no project `nowhere`
    help: the projects are: lab, zoo
    [exit 2]
    ");
    let mut named = place.command(&["project", "show"]);
    let shown = named.env("HOLDPOINT_PROJECT", "zoo").output().unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().starts_with("zoo: zoo\n"));
}
