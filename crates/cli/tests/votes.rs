//! Votes on several runs at once: each is decided by itself, and has its own line.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const PATCH: &str = "
workflow: patch
version: 1
title: Patch
input: { type: object, properties: { title: { type: string } } }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester] } }
    on: { released: look, rejected: refused }
  look:
    hold: { approval: { rules: { two: { from: role:engineer, need: 2 } }, not: [requester] } }
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

const OTHER: &str = "
workflow: other
version: 1
title: Other
start: agree
states:
  agree: { hold: { approval: { rules: { board: { from: role:board, need: 1 } } } }, on: { released: done, rejected: done } }
  done: { end: done }
";

fn place() -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    for who in ["bob", "cy"] {
        place.must(&format!("project member add {who} --role engineer --as ada"));
    }
    for (name, text) in [("patch.yaml", PATCH), ("other.yaml", OTHER)] {
        place.write(name, text);
        place.must(&format!("definitions publish {name} --as ada"));
    }
    for (title, by) in [("One", "ada"), ("Two", "ada"), ("Three", "bob")] {
        place.write("input.json", format!(r#"{{ "title": "{title}" }}"#));
        place.must(&format!("submit patch --input-file input.json --as {by}"));
    }
    place.must("submit other --as ada");
    place
}

#[test]
fn several_runs_are_approved_each_by_itself() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "approve 1 2 3 4 --dry-run --as bob",
        "approve 1 3 2 1 --as bob",
        "list --definition patch --state look",
        "approve --state look --preview --as bob",
        "approve --state look --definition patch --requester ada --as bob",
        "approve --all --dry-run --as cy",
        "approve --all --as cy",
        "list",
        "approve",
        "approve 1 --all --as cy",
        "reject --definition other --reason 'not now' --as cy",
    ]), @"
    $ holdpoint approve 1 2 3 4 --dry-run --as bob
    error[HP1003]: 2 of 4 runs refused it: `bob` submitted the run and nobody decides on their own
    help: each is told above
    would be approved: run 1 (One) is held at `agree`, which this would release, input sha256:[digest]
    would be approved: run 2 (Two) is held at `agree`, which this would release, input sha256:[digest]
    refused: run 3 (Three) is held at `agree`: `bob` submitted the run and nobody decides on their own
      help     a vote by role engineer: cy
    refused: run 4 (Other) is held at `agree`: `bob` is none of those asked: role board
      help     a vote by role board; no member of the project can give one now
    2 would be approved, 2 refused
    [exit 1]

    $ holdpoint approve 1 3 2 1 --as bob
    error[HP1003]: 1 of 3 runs refused it: `bob` submitted the run and nobody decides on their own
    help: each is told above
    approved: run 1 (One) is held at `look`
    refused: run 3 (Three) is held at `agree`: `bob` submitted the run and nobody decides on their own
      help     a vote by role engineer: cy
    approved: run 2 (Two) is held at `look`
    2 approved, 1 refused
    [exit 1]

    $ holdpoint list --definition patch --state look
    RUN  TITLE  DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
    2    Two    patch v1    look   held    ada        [time]
    1    One    patch v1    look   held    ada        [time]

    $ holdpoint approve --state look --preview --as bob
    would be approved: run 1 (One) is held at `look`, input sha256:[digest]
    would be approved: run 2 (Two) is held at `look`, input sha256:[digest]
    2 would be approved

    $ holdpoint approve --state look --definition patch --requester ada --as bob
    approved: run 1 (One) is held at `look`
    approved: run 2 (Two) is held at `look`
    2 approved

    $ holdpoint approve --all --dry-run --as cy
    would be approved: run 1 (One) is held at `look`, which this would release, input sha256:[digest]
    would be approved: run 2 (Two) is held at `look`, which this would release, input sha256:[digest]
    would be approved: run 3 (Three) is held at `agree`, which this would release, input sha256:[digest]
    3 would be approved, 1 left to others

    $ holdpoint approve --all --as cy
    approved: run 1 (One) has ended: done
    approved: run 2 (Two) has ended: done
    approved: run 3 (Three) is held at `look`
    3 approved, 1 left to others

    $ holdpoint list
    RUN  TITLE  DEFINITION  STATE  STATUS       REQUESTER  UPDATED (UTC)
    4    Other  other v1    agree  held         ada        [time]
    3    Three  patch v1    look   held         bob        [time]
    2    Two    patch v1    done   ended: done  ada        [time]
    1    One    patch v1    done   ended: done  ada        [time]

    $ holdpoint approve
    error: the following required arguments were not provided:
      <RUN>...
    help: the usage is `holdpoint approve <RUN>...`
    [exit 2]

    $ holdpoint approve 1 --all --as cy
    error: the argument `[RUN]...` cannot be used with `--all`
    help: the usage is `holdpoint approve --as <MEMBER> <RUN>...`
    [exit 2]

    $ holdpoint reject --definition other --reason 'not now' --as cy
    1 left to others
    ");
}

#[test]
fn programs_are_told_of_each_run() {
    let place = place();
    let preview = place.ask("approve 1 2 --dry-run --as bob");
    let runs = preview["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert_eq!((&run["result"], &run["releases"]), (&"would".into(), &true.into()));
        assert_eq!(run["refused"], serde_json::Value::Null);
    }
    // Each vote is about its own run's input, which are two.
    assert_ne!(runs[0]["digest"], runs[1]["digest"]);
    let done = place.ask("approve 1 2 --as bob");
    let digests = |answer: &serde_json::Value| -> Vec<serde_json::Value> {
        answer["runs"].as_array().unwrap().iter().map(|run| run["digest"].clone()).collect()
    };
    assert_eq!(digests(&done), digests(&preview));
    let left = place.ask("approve --all --as bob");
    let results: Vec<&str> = left["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["done", "done", "left", "left"]);
    assert_eq!(left["runs"][2]["refused"]["code"], "HP1003");
    let before = place.truth();
    place.ask("reject --all --reason no --dry-run --as bob");
    assert_eq!(place.truth(), before, "a preview changes nothing");
}

#[test]
fn what_was_seen_is_voted_on_and_nothing_else() {
    let _filters = filters();
    let place = place();
    let seen = place.must("approve --all --dry-run --as bob --json");
    place.write("seen.json", seen);
    // One has come to another hold since.
    place.must("approve 2 --as cy");
    place.must("submit patch --as ada");
    place.write("other.json", "{ \"runs\": [{ \"result\": \"would\", \"run\": \"1\" }] }");
    assert_snapshot!(place.shows(&[
        "approve --seen seen.json --as bob",
        "list",
        "approve --seen patch.yaml --as bob",
        "approve --seen other.json --as bob",
        "approve --seen none.json --as bob",
        "approve 1 --seen seen.json --as bob",
    ]), @"
    $ holdpoint approve --seen seen.json --as bob
    error[HP1082]: 1 of 2 runs refused it: it is not as it was seen: `look` asks about the input sha256:[digest] now
    help: each is told above
    approved: run 1 (One) is held at `look`
    refused: run 2 (Two) is held at `look`: it is not as it was seen: `look` asks about the input sha256:[digest] now
      help     look at it again: `--dry-run --json`
    1 approved, 1 refused
    [exit 1]

    $ holdpoint list
    RUN  TITLE  DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
    5    Patch  patch v1    agree  held    ada        [time]
    4    Other  other v1    agree  held    ada        [time]
    3    Three  patch v1    agree  held    bob        [time]
    2    Two    patch v1    look   held    ada        [time]
    1    One    patch v1    look   held    ada        [time]

    $ holdpoint approve --seen patch.yaml --as bob
    error: `patch.yaml` is no preview of `approve`: expected value at line 2 column 1
    help: make one: `holdpoint approve … --dry-run --json > FILE`
    [exit 2]

    $ holdpoint approve --seen other.json --as bob
    error: `other.json` is no preview of `approve`: it does not say of which `command` it is
    help: make one: `holdpoint approve … --dry-run --json > FILE`
    [exit 2]

    $ holdpoint approve --seen none.json --as bob
    error: `none.json` is no preview of `approve`: there is no such file
    help: make one: `holdpoint approve … --dry-run --json > FILE`
    [exit 2]

    $ holdpoint approve 1 --seen seen.json --as bob
    error: the argument `[RUN]...` cannot be used with `--seen <FILE>`
    help: the usage is `holdpoint approve --as <MEMBER> <RUN>...`
    [exit 2]
    ");
}

#[test]
fn the_example_of_the_page_is_what_happens() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/approving.md"));
    let block = |text: &'static str| text.split_once("\n```\n").unwrap().0;
    let example = page.split("```console\n").skip(1).map(block).nth(1).unwrap();
    let commands = example.lines().filter_map(|line| line.strip_prefix("$ holdpoint "));
    let commands: Vec<&str> = commands.collect();
    assert!(commands.len() >= 2);
    assert_eq!(place().shows(&commands), format!("{example}\n"));
}

#[test]
fn what_is_misspelt_is_refused_and_nothing_is_voted_on() {
    let _filters = filters();
    let place = place();
    let before = place.truth();
    assert_snapshot!(place.shows(&[
        "approve --all --as nobody",
        "approve --all --for nobody --as bob",
        "approve --definition patsh --as bob",
        "approve --state agre --as bob",
        "approve --state agre --definition patch --as bob",
        "approve --requester adda --as bob",
        "approve --all --hold lok --as bob",
        "approve --all --project labb --as bob",
        "approve 1 2 99 --as bob",
        "migrate 1 99 --to 1 --reason so --as ada",
        "pause 1 99 --reason so --as ada",
        "pause --all --reason so --as nobody",
        "pause --all --reason so --project labb --as ada",
        "list --state agre",
        "list --definition patsh",
        "list --requester adda",
        "reject 1 2 --reason so --as nobody",
    ]), @"
    $ holdpoint approve --all --as nobody
    error[HP1001]: `nobody` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    [exit 1]

    $ holdpoint approve --all --for nobody --as bob
    error[HP1001]: `nobody` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    [exit 1]

    $ holdpoint approve --definition patsh --as bob
    error[HP1009]: no definition `patsh` is published in the project `lab`
    help: published are: other 1, patch 1
    [exit 1]

    $ holdpoint approve --state agre --as bob
    error[HP1009]: there is no state `agre` in the project `lab`
    help: they are agree, done, look, refused
    [exit 1]

    $ holdpoint approve --state agre --definition patch --as bob
    error[HP1009]: there is no state `agre` of `patch` in the project `lab`
    help: they are agree, done, look, refused
    [exit 1]

    $ holdpoint approve --requester adda --as bob
    error[HP1001]: `adda` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    [exit 1]

    $ holdpoint approve --all --hold lok --as bob
    error[HP1009]: there is no hold `lok` in the project `lab`
    help: they are agree, look
    [exit 1]

    $ holdpoint approve --all --project labb --as bob
    error: there is no project `labb`
    help: the projects are: lab
    [exit 2]

    $ holdpoint approve 1 2 99 --as bob
    error: there is no run 99
    help: `holdpoint list` shows the runs there are
    help: nothing was done, not for the other runs either
    [exit 2]

    $ holdpoint migrate 1 99 --to 1 --reason so --as ada
    error: there is no run 99
    help: `holdpoint list` shows the runs there are
    help: nothing was done, not for the other runs either
    [exit 2]

    $ holdpoint pause 1 99 --reason so --as ada
    error: there is no run 99
    help: `holdpoint list` shows the runs there are
    help: nothing was done, not for the other runs either
    [exit 2]

    $ holdpoint pause --all --reason so --as nobody
    error[HP1001]: `nobody` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    [exit 1]

    $ holdpoint pause --all --reason so --project labb --as ada
    error: there is no project `labb`
    help: the projects are: lab
    [exit 2]

    $ holdpoint list --state agre
    error[HP1009]: there is no state `agre` in the project `lab`
    help: they are agree, done, look, refused
    [exit 1]

    $ holdpoint list --definition patsh
    error[HP1009]: no definition `patsh` is published in the project `lab`
    help: published are: other 1, patch 1
    [exit 1]

    $ holdpoint list --requester adda
    error[HP1001]: `adda` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    [exit 1]

    $ holdpoint reject 1 2 --reason so --as nobody
    error[HP1001]: 2 of 2 runs refused it: `nobody` is not a member of the project `lab`
    help: each is told above
    refused: run 1 (One) is held at `agree`: `nobody` is not a member of the project `lab`
      help     `holdpoint project show` lists the members
    refused: run 2 (Two) is held at `agree`: `nobody` is not a member of the project `lab`
      help     `holdpoint project show` lists the members
    2 refused
    [exit 1]
    ");
    assert_eq!(place.truth(), before);
    // What is spelt well and fits no run is no failure.
    assert_snapshot!(place.shows(&[
        "approve --state done --as bob",
        "approve --all --hold look --as bob",
        "approve --requester cy --as bob",
        "list --state done",
    ]), @"
    $ holdpoint approve --state done --as bob
    no run that this fits waits for votes

    $ holdpoint approve --all --hold look --as bob
    no run that this fits waits for votes

    $ holdpoint approve --requester cy --as bob
    no run that this fits waits for votes

    $ holdpoint list --state done
    no runs
    ");
}

#[test]
fn names_are_looked_for_in_all_projects() {
    let _filters = filters();
    let place = place();
    place.must("project create other --as eve");
    assert_snapshot!(place.shows(&[
        "approve --all --as nobody",
        "approve --definition patsh --as bob",
        "approve --requester eve --dry-run --as bob",
        "approve --all --as eve",
        "approve --all --project other --as bob",
    ]), @"
    $ holdpoint approve --all --as nobody
    error[HP1001]: `nobody` is not a member of any project
    help: `holdpoint project show` lists the members
    [exit 1]

    $ holdpoint approve --definition patsh --as bob
    error[HP1009]: no definition `patsh` is published in any project
    help: `holdpoint definitions list --project PROJECT` has those of a project
    [exit 1]

    $ holdpoint approve --requester eve --dry-run --as bob
    no run that this fits waits for votes

    $ holdpoint approve --all --as eve
    4 left to others

    $ holdpoint approve --all --project other --as bob
    error[HP1001]: `bob` is not a member of the project `other`
    help: `holdpoint project show` lists the members
    [exit 1]
    ");
}

#[test]
fn of_several_open_holds_one_is_named() {
    let _filters = filters();
    let place = place();
    let branch = |name: &str| {
        format!(
            "
        {name}:
          start: {name}-ask
          states:
            {name}-ask:
              hold: {{ approval: {{ rules: {{ peer: {{ from: role:engineer, need: 1 }} }} }} }}
              on: {{ released: {name}-yes, rejected: {name}-no }}
            {name}-yes: {{ end: good }}
            {name}-no: {{ end: bad }}"
        )
    };
    place.write(
        "both.yaml",
        format!(
            "
workflow: both
version: 1
title: Both
start: both
states:
  both:
    all:
      branches:{}{}
      good: [good]
      others: wait
    on: {{ completed: done, failed: refused }}
  done: {{ end: done }}
  refused: {{ end: refused }}
",
            branch("left"),
            branch("right")
        ),
    );
    place.must("definitions publish both.yaml --as ada");
    place.must("submit both --as ada");
    assert_snapshot!(place.shows(&[
        "approve --definition both --as bob",
        "approve --state left-ask --as bob",
        "approve --definition both --hold left-ask --as bob",
    ]), @"
    $ holdpoint approve --definition both --as bob
    left alone: run 5 (Both) is held at `both`: 2 holds are open, and it is not said which is meant
      help     name one of `left-ask`, `right-ask`

    $ holdpoint approve --state left-ask --as bob
    error[HP1009]: `left-ask` is a state of a branch: the run is in `both` then
    help: say `--state both`
    [exit 1]

    $ holdpoint approve --definition both --hold left-ask --as bob
    approved: run 5 (Both) is held at `both`
    ");
}
