//! `explain`, `diff`, `graph`, `fmt`, `schema`: what authors of definitions work with.

use std::fs;

use insta::assert_snapshot;

use crate::common::{PATCH, Place, assert_same};

fn place() -> Place {
    let place = Place::empty();
    place.write("patch.yaml", PATCH);
    place.write("bad.yaml", PATCH.replace("start:", "strat:"));
    place
}

#[test]
fn a_definition_is_explained() {
    let place = place();
    assert_snapshot!(place.must("explain patch.yaml"), @"
    Patch (`patch`, version 1)

    What is submitted:
      - items: a list of texts; may be left out
      - risk: low or high; low when left out
      - size: a whole number; may be left out
      - title: a text
    A run begins in `ask`.

    ask
      The run is held.
      People must agree, under every rule that applies; each approval fills one seat:
      - peer: 1 approval by role engineer, qualified in network.
      - second: only where `input.risk == 'high'`, 1 approval by role engineer.
      Nobody decides on a run that they have submitted.
      One rejection, with a reason, is enough to reject.
      Whoever votes in the place of others counts once.
      After 7d it expires.
      When released, it goes on in `tell`.
      When rejected, the run is over: rejected.
      When expired, the run is over: lapsed.

    tell
      The run is held.
      It waits for the signal `tested`.
      When released, the run is over: done.

    The requester and members with the role owner can cancel a run at any time, with a reason.
    ");
    let explained = place.ask("explain patch.yaml");
    assert!(explained["explanation"].as_str().unwrap().starts_with("Patch"));
}

#[test]
fn two_definitions_are_compared() {
    let place = place();
    place.write(
        "next.yaml",
        PATCH
            .replace("version: 1", "version: 2")
            .replace("expires: 7d", "expires: 1d")
            .replace("need: 1 }", "need: 2 }"),
    );
    assert_snapshot!(place.shows(&[
        "diff patch.yaml patch.yaml",
        "diff patch.yaml next.yaml",
    ]), @"
    $ holdpoint diff patch.yaml patch.yaml
    `patch` v1 → `patch` v1: no difference in meaning

    $ holdpoint diff patch.yaml next.yaml
    `patch` v1 → `patch` v2: 4 differences

    definition
      ~ version: 1 → 2

    state ask
      ~ approval expires after: 7d → 1d
      ~ rule peer: how many must approve: 1 → 2
      ~ rule second: how many must approve: 1 → 2
    ");
    let changes = place.ask("diff patch.yaml next.yaml");
    assert_eq!(changes["changes"][0]["what"], "version");
}

#[test]
fn a_definition_is_drawn() {
    let place = place();
    let svg = place.must("graph patch.yaml");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert_ne!(svg, place.must("graph patch.yaml --direction right"));
    assert!(place.must("graph patch.yaml --format mermaid").starts_with("flowchart TD\n"));
    assert!(
        place
            .must("graph patch.yaml --format mermaid --direction right")
            .starts_with("flowchart LR\n")
    );
    assert_eq!(place.must("graph patch.yaml --out patch.svg"), "drew `patch` into patch.svg\n");
    assert_eq!(fs::read_to_string(place.path("patch.svg")).unwrap(), svg);
    assert_eq!(place.ask("graph patch.yaml")["picture"], svg);
    place.sh("graph patch.yaml --out no/such/place.svg").fails_well(2, &"no such place");

    // A picture takes the place of another only if it may, and never of what is drawn.
    let before = place.content();
    let force = "--force --format mermaid --out";
    for line in [
        "--out patch.svg",
        "--out patch.yaml",
        &format!("{force} patch.yaml"),
        &format!("{force} ./patch.yaml"),
        "--force",
    ] {
        place.sh(&format!("graph patch.yaml {line}")).fails_well(2, &line);
    }
    let told = place.sh("graph patch.yaml --out patch.svg").errors;
    assert!(told.contains("there is a file `patch.svg` already"), "{told}");
    assert!(told.contains("help: `--force` writes over it"), "{told}");
    assert_same(&before, &place.content(), &"refused pictures");
    for out in ["patch.svg", "new.svg"] {
        place.must(&format!("graph patch.yaml {force} {out}"));
        let drawn = fs::read_to_string(place.path(out)).unwrap();
        assert!(drawn.starts_with("flowchart TD\n"), "{out}: {drawn}");
    }
}

#[test]
fn files_are_formatted_all_or_none() {
    let place = place();
    let messy = "workflow:   x\nversion: 1 # the first\ntitle: X\nstart: done\nstates: {done: {end: done}}\n";
    let neat = "workflow: x\nversion: 1 # the first\ntitle: X\nstart: done\nstates: { done: { end: done } }\n";
    place.write("messy.yaml", messy);
    place.write("neat.yaml", neat);
    place.write("broken.yaml", "a: [");
    let before = place.content();
    for line in
        ["fmt messy.yaml broken.yaml", "fmt nothing.yaml messy.yaml", "fmt - messy.yaml", "fmt"]
    {
        place.sh(line).fails_well(2, &line);
    }
    place.sh("fmt --check messy.yaml neat.yaml").fails_well(1, &"--check");
    crate::common::assert_same(&before, &place.content(), &"fmt that comes to nothing");
    assert_snapshot!(place.shows(&[
        "fmt --check messy.yaml neat.yaml",
        "fmt messy.yaml neat.yaml",
        "fmt --check messy.yaml neat.yaml",
    ]), @"
    $ holdpoint fmt --check messy.yaml neat.yaml
    error: 1 of 2 files would be changed:
    messy.yaml
    help: `holdpoint fmt` with the same files changes them
    [exit 1]

    $ holdpoint fmt messy.yaml neat.yaml
    formatted messy.yaml
    1 file looks as wanted

    $ holdpoint fmt --check messy.yaml neat.yaml
    2 files look as wanted
    ");
    assert_eq!(fs::read_to_string(place.path("messy.yaml")).unwrap(), neat);
    // Nothing is left beside it.
    assert_eq!(place.content().len(), before.len());
    let ran = place.sh_with("fmt -", messy);
    assert_eq!((ran.code, ran.output.as_str()), (Some(0), neat));
    assert_eq!(place.sh_with("fmt - --check", messy).code, Some(1));
    assert_eq!(place.sh_with("fmt - --check", neat).code, Some(0));
}

#[test]
fn editors_get_a_schema() {
    let place = place();
    let schema = place.ask("schema");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&place.must("schema")).unwrap(), schema);
}

#[test]
fn a_definition_that_cannot_be_used_is_told() {
    let place = place();
    for line in [
        "explain bad.yaml",
        "graph bad.yaml",
        "diff patch.yaml bad.yaml",
        "explain nothing.yaml",
        "simulate bad.yaml",
    ] {
        place.sh(line).fails_well(2, &line);
    }
}
