//! `definitions`: publishing, listing, printing and checking.

use insta::assert_snapshot;

use crate::common::{PATCH, Place, filters};

#[test]
fn a_definition_is_published_once_and_printed_as_it_was() {
    let _filters = filters();
    let place = Place::lab();
    place.write("next.yaml", PATCH.replace("version: 1", "version: 2"));
    assert_snapshot!(place.shows(&[
        "definitions list",
        "definitions publish next.yaml --as ada",
        "definitions list",
        "definitions list --json",
    ]), @r#"
    $ holdpoint definitions list
    DEFINITION  VERSION  TITLE  DIGEST
    patch       1        Patch  sha256:[digest]

    $ holdpoint definitions publish next.yaml --as ada
    published `patch` v2 in the project `lab`

    $ holdpoint definitions list
    DEFINITION  VERSION  TITLE  DIGEST
    patch       1        Patch  sha256:[digest]
    patch       2        Patch  sha256:[digest]

    $ holdpoint definitions list --json
    {
      "definitions": [
        {
          "digest": "sha256:[digest]",
          "language": "holdpoint/1",
          "name": "patch",
          "title": "Patch",
          "version": 1
        },
        {
          "digest": "sha256:[digest]",
          "language": "holdpoint/1",
          "name": "patch",
          "title": "Patch",
          "version": 2
        }
      ],
      "project": "lab"
    }
    "#);
    assert_eq!(place.must("definitions show patch --version 1"), PATCH);
    assert!(place.must("definitions show patch").contains("version: 2"));
    let shown = place.ask("definitions show patch --version 1");
    assert_eq!(shown["source"], PATCH);
    assert_eq!(shown["version"], 1);
}

#[test]
fn a_published_version_never_changes() {
    let _filters = filters();
    let place = Place::lab();
    place.write("patch.yaml", PATCH);
    assert_snapshot!(place.refuses("definitions publish patch.yaml --as ada", "HP1010"), @"
    error[HP1010]: version 1 of `patch` is published already, with the same text
    help: nothing is to be done: runs can be submitted to it
    ");
    place.write("patch.yaml", PATCH.replace("title: Patch", "title: Other"));
    assert_snapshot!(place.refuses("definitions publish patch.yaml --as ada", "HP1010"), @"
    error[HP1010]: version 1 of `patch` is published already, with another text
    help: a published version never changes: give the new text a higher `version`, for example 2
    ");
    place.write("patch.yaml", PATCH.replace("version: 1", "version: 2"));
    assert_snapshot!(place.refuses("definitions publish patch.yaml --as bob", "HP1002"), @"
    error[HP1002]: `bob` may not change the project `lab`: that takes the role `owner`
    help: ask an owner of the project: ada
    ");
    assert_snapshot!(place.refuses("definitions show nothing", "HP1009"), @"
    error[HP1009]: no definition `nothing` is published in the project `lab`
    help: published are: patch 1
    ");
    assert_snapshot!(place.refuses("definitions show patch --version 7", "HP1009"), @"
    error[HP1009]: no definition `patch` 7 is published in the project `lab`
    help: published are: patch 1
    ");
}

#[test]
fn what_cannot_be_used_is_not_published() {
    let place = Place::lab();
    place.write("bad.yaml", PATCH.replace("released: done", "released: dome"));
    let before = place.content();
    place.sh("definitions publish bad.yaml --as ada").fails_well(2, &"bad.yaml");
    crate::common::assert_same(&before, &place.content(), &"a bad definition");
}

#[test]
fn many_findings_fit_on_a_screen() {
    let place = Place::lab();
    let states: String = (0..500).map(|n| format!("  s{n}: {{ ent: done }}\n")).collect();
    place.write("bad.yaml", PATCH.replace("  done: {", &format!("{states}  done: {{")));
    let ran = place.sh("definitions publish bad.yaml --as ada");
    ran.fails_well(2, &"500 findings");
    assert!(
        ran.errors.contains("more findings: fix these first, or see all with `--json`"),
        "{ran}"
    );
    let error =
        place.sh("definitions publish bad.yaml --as ada --json").fails_well_as_json(2, &"bad.yaml");
    assert!(error["findings"].as_array().unwrap().len() >= 500);
}

#[test]
fn a_witness_point_at_which_nobody_could_object_is_told_when_it_is_published() {
    let place = Place::lab();
    let notice = |version: u32| {
        format!(
            "
workflow: notice
version: {version}
title: Notice
start: notice
states:
  notice:
    hold: {{ witness: {{ from: role:service-owner, for: 2d }} }}
    on: {{ released: done, objected: done }}
  done: {{ end: done }}
"
        )
    };
    place.write("notice.yaml", notice(1));
    place.must("check notice.yaml --strict");
    let told = place.must("definitions publish notice.yaml --as ada");
    let nobody =
        "note: `notice` goes on by itself unless somebody objects, of role service-owner: nobody";
    assert!(told.contains(nobody) && told.contains("published `notice` v1"), "{told}");
    place.write("notice.yaml", notice(2));
    let told = place.ask("definitions publish notice.yaml --as ada");
    assert_eq!(told["too_few"].as_array().unwrap().len(), 1, "{told}");
    place.must("project role grant bob service-owner --as ada");
    place.write("notice.yaml", notice(3));
    let told = place.ask("definitions publish notice.yaml --as ada");
    assert_eq!(told["too_few"].as_array().unwrap().len(), 0, "{told}");
}
