//! What a project demands of every definition: publishing it, what is refused by it, and what it is like
//! when it has changed.

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::{Place, filters};

/// A change that one engineer agrees to; `need` says how many.
fn change(version: u32, need: u32) -> String {
    format!(
        "
workflow: change
version: {version}
title: Change
start: agree
states:
  agree:
    hold: {{ approval: {{ rules: {{ peer: {{ from: role:engineer, need: {need} }} }}, not: [requester] }} }}
    on: {{ released: install, rejected: refused }}
  install:
    do: {{ run: {{ definition: notice, good: [done], stopped: cancel }} }}
    on: {{ succeeded: done, failed: refused }}
  done: {{ end: done }}
  refused: {{ end: refused }}
"
    )
}

/// Work that nobody agrees to.
const NOTICE: &str = "
workflow: notice
version: 1
title: Notice
start: tell
states:
  tell:
    do: { activity: { run: tell } }
    on: { succeeded: done, failed: done }
  done: { end: done }
";

const PARENT: &str = "
workflow: parent
version: 1
title: Parent
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 2 } }, not: [requester] } }
    on: { released: install, rejected: refused }
  install:
    do: { run: { definition: change, version: 1, good: [done], stopped: cancel } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

const RULES: &str = "
baseline: house-rules
title: What every change keeps to
requirements:
  four-eyes:
    title: Two engineers agree
    approval: { from: role:engineer, need: 2, not: [requester] }
    except: { notice: it only tells }
  tested:
    title: Nothing is rolled out that was not tested
    before: rollout
    evidence: test-report
";

fn place() -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    for (member, role) in [("bob", "engineer"), ("cy", "engineer"), ("eve", "baseline")] {
        place.must(&format!("project member add {member} --role {role} --as ada"));
    }
    place.must("project member add mig --role migrate --as ada");
    for (name, text) in [
        ("change-1.yaml", change(1, 1)),
        ("change-2.yaml", change(2, 2)),
        ("change-3.yaml", change(3, 1)),
        ("notice.yaml", NOTICE.to_owned()),
        ("parent.yaml", PARENT.to_owned()),
        ("rules.yaml", RULES.to_owned()),
        ("weaker.yaml", RULES.replace("need: 2", "need: 1")),
    ] {
        place.write(name, text);
    }
    for name in ["change-1", "notice", "parent"] {
        place.must(&format!("definitions publish {name}.yaml --as ada"));
    }
    place
}

#[test]
fn a_baseline_is_published_with_what_does_not_keep_to_it() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "baseline list",
        "baseline show",
        "check change-1.yaml --project-baseline",
        "baseline publish rules.yaml --reason 'an audit asks for it' --as bob",
        "baseline publish change-1.yaml --reason 'an audit asks for it' --as eve",
        "baseline publish rules.yaml --reason 'an audit asks for it' --dry-run --as eve",
        "baseline publish rules.yaml --reason 'an audit asks for it' --as eve",
        "baseline publish rules.yaml --reason 'once more' --as eve",
        "baseline show",
        "baseline list",
        "check change-1.yaml change-2.yaml --project-baseline",
    ]), @"
    $ holdpoint baseline list
    no baseline was published in the project `lab`

    $ holdpoint baseline show
    no baseline is in force in the project `lab`

    $ holdpoint check change-1.yaml --project-baseline
    error: no baseline is in force in the project `lab`
    help: publish one: `holdpoint baseline publish FILE`
    [exit 2]

    $ holdpoint baseline publish rules.yaml --reason 'an audit asks for it' --as bob
    error[HP1002]: `bob` may not publish or withdraw baselines: that takes the role `baseline` or `owner`
    help: ask an owner of the project: ada
    [exit 1]

    $ holdpoint baseline publish change-1.yaml --reason 'an audit asks for it' --as eve
    change-1.yaml:2:1: error[HP2002]: a baseline has no key `workflow`
      |
    2 | workflow: change
      | ^^^^^^^^
    help: the keys are `baseline`, `title`, `requirements`

    change-1.yaml:2:1: error[HP2003]: a baseline has no `baseline`
      |
    2 | workflow: change
      | ^^^^^^^^
    help: add the key `baseline`

    change-1.yaml:2:1: error[HP2003]: a baseline has no `requirements`
      |
    2 | workflow: change
      | ^^^^^^^^
    help: add the key `requirements`

    change-1.yaml:3:1: error[HP2002]: a baseline has no key `version`
      |
    3 | version: 1
      | ^^^^^^^
    help: the keys are `baseline`, `title`, `requirements`

    and 2 more findings: fix these first, or see all with `--json`
    [exit 2]

    $ holdpoint baseline publish rules.yaml --reason 'an audit asks for it' --dry-run --as eve
    the baseline `house-rules` would be in force
    1 published version does not keep to it, and no run of it is started while it is in force:
    DEFINITION  VERSIONS  LACKING
    change      1         four-eyes

    $ holdpoint baseline publish rules.yaml --reason 'an audit asks for it' --as eve
    published the baseline `house-rules`, revision 1, in the project `lab`
    1 published version does not keep to it, and no run of it is started while it is in force:
    DEFINITION  VERSIONS  LACKING
    change      1         four-eyes

    $ holdpoint baseline publish rules.yaml --reason 'once more' --as eve
    error[HP1010]: just this is in force already: `house-rules`, revision 1
    help: nothing is to be done; `holdpoint baseline show` shows it
    [exit 1]

    $ holdpoint baseline show
    house-rules: What every change keeps to
    revision 1, in force, published [time] by eve: an audit asks for it
    sha256:[digest]

    four-eyes: Two engineers agree. Before any work: a hold in which at least 2 must approve, of role engineer, with `not: [requester]`; not of `notice`: it only tells
    tested: Nothing is rolled out that was not tested. Before each `do` with rollout: a hold with the evidence `test-report`

    1 published version does not keep to it, and no run of it is started while it is in force:
    DEFINITION  VERSIONS  LACKING
    change      1         four-eyes

    $ holdpoint baseline list
    REVISION  BASELINE     BY   PUBLISHED (UTC)      REASON                STANDS
    1         house-rules  eve  [time]  an audit asks for it  in force

    $ holdpoint check change-1.yaml change-2.yaml --project-baseline
    error: 1 of 2 files is unusable
    help: what is wrong stands above, with what to do; each code has a page in docs/errors
    change-1.yaml:10:3: error[HP2401]: `install` can be reached without `four-eyes` of the baseline `house-rules`
       |
    10 |   install:
       |   ^^^^^^^
    help: let every way to it pass a hold in which at least 2 must approve, of role engineer, with `not: [requester]`; `agree` is not enough: only 1 of its seats are always filled by such members; this way does not: `agree`, `install`

    change-1.yaml: `change` v1, 1 error
      four-eyes: not met
      tested: not applicable
    change-2.yaml: `change` v2, nothing to report
      four-eyes: met
      tested: not applicable
    [exit 2]
    ");
}

#[test]
fn a_definition_that_is_excepted_and_not_there_is_told() {
    let place = place();
    place.write("misspelt.yaml", RULES.replace("notice: it only", "notize: it only"));
    let publish =
        "baseline publish misspelt.yaml --reason 'an audit asks for it' --dry-run --as eve";
    let told = place.must(publish);
    let warning = "warning: `four-eyes` excepts `notize`, and no definition of that name is published; published are: ";
    assert!(told.contains(warning), "{told}");
    let unknown = place.ask(publish)["unknown_exceptions"].clone();
    assert_eq!(
        unknown,
        serde_json::json!([{ "requirement": "four-eyes", "definition": "notize" }])
    );
    assert!(!place.must(&publish.replace("misspelt", "rules")).contains("warning"));
}

#[test]
fn what_does_not_keep_to_it_is_neither_published_nor_run() {
    let _filters = filters();
    let place = place();
    // What is under way before goes on.
    place.must("submit change --as ada");
    place.must("submit parent --as ada");
    place.must("baseline publish rules.yaml --reason 'an audit asks for it' --as eve");
    place.refuses("definitions publish change-3.yaml --as ada", "HP1030");
    place.refuses("submit change --as ada", "HP1030");
    assert_snapshot!(place.shows(&[
        "definitions publish change-3.yaml --as ada",
        "submit change --as ada",
        "approve 2 --as bob",
        "approve 2 --as cy",
        "work",
        "approve 1 --as bob",
    ]), @"
    $ holdpoint definitions publish change-3.yaml --as ada
    error[HP1030]: `change` v3 does not keep to the baseline `house-rules`, revision 1
    help: 10:3: `install` can be reached without `four-eyes` of the baseline `house-rules`: let every way to it pass a hold in which at least 2 must approve, of role engineer, with `not: [requester]`; `agree` is not enough: only 1 of its seats are always filled by such members; this way does not: `agree`, `install`
    [exit 1]

    $ holdpoint submit change --as ada
    error[HP1030]: `change` v1 does not keep to the baseline `house-rules`, revision 1
    help: 10:3: `install` can be reached without `four-eyes` of the baseline `house-rules`: let every way to it pass a hold in which at least 2 must approve, of role engineer, with `not: [requester]`; `agree` is not enough: only 1 of its seats are always filled by such members; this way does not: `agree`, `install`
    help: publish a version that keeps to it, and take that
    [exit 1]

    $ holdpoint approve 2 --as bob
    approved run 2: Parent
    held at `agree`
      waiting  1 of 2 approvals by role engineer
               bob approved at [time] UTC
               can release it: cy
               cannot: bob, who has approved
    next: approve or reject `agree`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint approve 2 --as cy
    approved run 2: Parent
    held at `install`
      waiting  the end of the run of change
    next: run `holdpoint work`, which starts such a run and notices its end
    next: wait for the run of `change` to end
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    [time]  run 2  install#1: the run could not be started: `change` v1 does not keep to the baseline `house-rules`, revision 1 (10:3: `install` can be reached without `four-eyes` of the baseline `house-rules`: let every way to it pass a hold in which at least 2 must approve, of role engineer, with `not: [requester]`; `agree` is not enough: only 1 of its seats are always filled by such members; this way does not: `agree`, `install`; publish a version that keeps to it, and take that)
    [time]  run 2  the work of `install` failed: `change` v1 does not keep to the baseline `house-rules`, revision 1 (10:3: `install` can be reached without `four-eyes` of the baseline `house-rules`: let every way to it pass a hold in which at least 2 must approve, of role engineer, with `not: [requester]`; `agree` is not enough: only 1 of its seats are always filled by such members; this way does not: `agree`, `install`; publish a version that keeps to it, and take that)
    [time]  run 2  it reached `refused`
    [time]  run 2  it ended: refused
    run 2 (Parent) has ended: refused
    nothing left to do

    $ holdpoint approve 1 --as bob
    approved run 1: Change
    held at `install`
      waiting  the end of the run of notice
    next: run `holdpoint work`, which starts such a run and notices its end
    next: wait for the run of `notice` to end
    next: cancel the run, as `ada` or a member with the role `owner`
    ");
    // It starts the run that it asks for, whose activity nobody does here.
    place.sh("work");
    // A version that keeps to it lets the others still be refused.
    place.must("definitions publish change-2.yaml --as ada");
    place.must("submit change --as ada");
    place.refuses("submit change --version 1 --as ada", "HP1030");
    place.refuses("migrate 4 --to 1 --reason 'back' --as mig", "HP1030");
    // Rules that are weaker let it in again, and the history says who has made them so.
    assert_snapshot!(place.shows(&[
        "baseline publish weaker.yaml --reason 'an incident' --as eve",
        "definitions publish change-3.yaml --as ada",
        "submit change --version 1 --as ada",
        "baseline withdraw --reason 'it was a trial' --as bob",
        "baseline withdraw --reason 'it was a trial' --as ada",
        "baseline withdraw --reason 'it was a trial' --as ada",
        "baseline list",
        "baseline show --revision 1",
        "baseline show --revision 9",
    ]), @"
    $ holdpoint baseline publish weaker.yaml --reason 'an incident' --as eve
    published the baseline `house-rules`, revision 2, in the project `lab`, in place of `house-rules`, revision 1
    demanded otherwise: four-eyes
    every published definition keeps to it

    $ holdpoint definitions publish change-3.yaml --as ada
    published `change` v3 in the project `lab`

    $ holdpoint submit change --version 1 --as ada
    submitted run 5 of the project `lab`: Change
    held at `agree`
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy
    next: approve or reject `agree`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint baseline withdraw --reason 'it was a trial' --as bob
    error[HP1002]: `bob` may not publish or withdraw baselines: that takes the role `baseline` or `owner`
    help: ask an owner of the project: ada
    [exit 1]

    $ holdpoint baseline withdraw --reason 'it was a trial' --as ada
    no baseline is in force any more

    $ holdpoint baseline withdraw --reason 'it was a trial' --as ada
    error[HP1009]: no baseline is in force
    help: `holdpoint baseline list` has those that were
    [exit 1]

    $ holdpoint baseline list
    REVISION  BASELINE     BY   PUBLISHED (UTC)      REASON                STANDS
    1         house-rules  eve  [time]  an audit asks for it  replaced
    2         house-rules  eve  [time]  an incident           withdrawn [time] by ada: it was a trial

    $ holdpoint baseline show --revision 1
    house-rules: What every change keeps to
    revision 1, not in force, published [time] by eve: an audit asks for it
    sha256:[digest]

    four-eyes: Two engineers agree. Before any work: a hold in which at least 2 must approve, of role engineer, with `not: [requester]`; not of `notice`: it only tells
    tested: Nothing is rolled out that was not tested. Before each `do` with rollout: a hold with the evidence `test-report`

    2 published versions do not keep to it, and no run of them is started while it is in force:
    DEFINITION  VERSIONS  LACKING
    change      1, 3      four-eyes

    $ holdpoint baseline show --revision 9
    error[HP1009]: there is no baseline of revision 9
    help: there are those from 1 to 2: `holdpoint baseline list`
    [exit 1]
    ");
    let history = place.must("history");
    for told in [
        "published the baseline house-rules, revision 1: What every change keeps to (an audit asks for it)",
        "withdrew the baseline house-rules, revision 2: it was a trial",
    ] {
        assert!(history.contains(told), "{history}");
    }
}

/// One engineer agrees, and another looks at it; only both are enough.
const TWICE: &str = "
workflow: twice
version: 1
title: Twice
input: { type: object, properties: { risk: { type: string, default: low } } }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 2 } }, not: [requester] } }
    on: { released: install, rejected: refused }
  install:
    do: { activity: { run: install } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

#[test]
fn a_run_shows_how_it_stands() {
    let _filters = filters();
    let place = place();
    place.write("twice.yaml", TWICE);
    place.write(
        "rules.yaml",
        format!("{RULES}  board:\n    when: \"input.risk == 'high'\"\n    approval: {{ from: role:board, need: 1 }}\n    except: {{ twice: the board is gone, notice: it only tells }}\n"),
    );
    place.must("baseline publish rules.yaml --reason 'an audit asks for it' --as eve");
    place.must("definitions publish twice.yaml --as ada");
    place.must("submit twice --as ada");
    let submitted = place.must("show 1");
    assert!(submitted.contains("  open            four-eyes: `agree` waits\n"), "{submitted}");
    place.must("approve 1 --as bob");
    place.must("approve 1 --as cy");
    assert_snapshot!(place.shows(&["show 1", "history 1"]), @r#"
    $ holdpoint show 1
    run 1: Twice
    id        [uuid]
    project   lab
    workflow  twice v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 9
    input     risk = "low"

    working at `install`
      waiting  no activity `install` is configured here
    next: configure it in the directory's `holdpoint.toml`, then run `holdpoint work`
    next: cancel the run, as `ada` or a member with the role `owner`

    baseline  house-rules, revision 1
      met             four-eyes: `agree` was released
      not applicable  tested: the definition has no such work
      overridden      board: the board is gone

    $ holdpoint history 1
    run 1: Twice
      [time]  ada  submitted it to twice v1
      [time]  ada  it reached `agree`
      [time]  ada  held at `agree` for 2 of rule peer
      [time]  bob  approved `agree` (role engineer)
      [time]  cy   approved `agree` (role engineer)
      [time]  cy   `agree` meets four-eyes of the baseline
      [time]  cy   `agree` was released
      [time]  cy   it reached `install`
      [time]  cy   `install` asked for `install`

    times are UTC; with `--json` every event is printed as it is stored
    "#);
    assert_eq!(place.must("show 1 --at 2").lines().last(), submitted.lines().last());
    let shown = place.ask("show 1");
    let baseline = &shown["view"]["baseline"];
    assert_eq!((&baseline["name"], &baseline["revision"]), (&"house-rules".into(), &1.into()));
    let status = |n: usize| baseline["requirements"][n]["status"].clone();
    assert_eq!(
        (status(0), status(1), status(2)),
        ("met".into(), "not_applicable".into(), "overridden".into())
    );
}

#[test]
fn a_release_by_a_run_is_no_way_past_it() {
    let place = place();
    let release = "
workflow: release
version: 1
title: Release
input: { type: object, required: [digest], properties: { digest: { type: string } } }
start: review
states:
  review:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester] } }
    on: { released: released, rejected: refused }
  released: { end: released }
  refused: { end: refused }
";
    place.write("release.yaml", release);
    place.must("definitions publish release.yaml --as ada");
    place.must("definitions govern --by release --state released --reason 'four eyes' --as ada");
    let digest = holdpoint::core::Digest::of(change(3, 1).as_bytes());
    place.write("input.json", format!(r#"{{ "digest": "{digest}" }}"#));
    place.must("submit release --input-file input.json --as ada");
    place.must("approve 1 --as bob");
    place.must("baseline publish rules.yaml --reason 'an audit asks for it' --as eve");
    place.refuses("definitions publish change-3.yaml --release 1 --as ada", "HP1030");
    // Who may not publish hears of that first.
    place.refuses("definitions publish change-3.yaml --release 1 --as bob", "HP1002");
}

#[test]
fn programs_read_it_too() {
    let place = place();
    let told = place.ask("baseline publish rules.yaml --reason 'an audit' --as eve");
    assert_eq!((&told["revision"], &told["below"][0]["name"]), (&1.into(), &"change".into()));
    assert_eq!(told["below"][0]["shortfalls"][0]["requirement"], "four-eyes");
    let told = place.ask("baseline publish weaker.yaml --reason 'an audit' --as eve");
    assert_eq!((&told["revision"], &told["below"]), (&2.into(), &Value::Array(Vec::new())));
    let listed = place.ask("baseline list");
    let of = |n: usize, key: &str| listed["baselines"][n][key].clone();
    assert_eq!((of(0, "in_force"), of(1, "in_force")), (false.into(), true.into()));
    assert_eq!(of(1, "by"), "member:eve");
    let shown = place.ask("baseline show --revision 1");
    assert_eq!(shown["baseline"]["source"], RULES);
    assert_eq!(place.must("baseline show --revision 1 --source"), RULES);
}

/// The work lies behind a hold of its own, so that a run can be migrated on its way to it.
fn slow(version: u32, need: u32) -> String {
    format!(
        "
workflow: slow
version: {version}
title: Slow
start: agree
states:
  agree:
    hold: {{ approval: {{ rules: {{ peer: {{ from: role:engineer, need: {need} }} }}, not: [requester] }} }}
    on: {{ released: later, rejected: refused }}
  later:
    hold: {{ signal: {{ name: go }} }}
    on: {{ released: install }}
  install:
    do: {{ activity: {{ run: install }} }}
    on: {{ succeeded: done, failed: refused }}
  done: {{ end: done }}
  refused: {{ end: refused }}
"
    )
}

#[test]
fn a_requirement_is_overridden_for_one_run() {
    let _filters = filters();
    let place = place();
    place.must("project member add hal --role head --as ada");
    place.write("slow-1.yaml", slow(1, 1));
    place.write("slow-2.yaml", slow(2, 2));
    let named = "not: [requester] }\n    override: role:head\n    except";
    place.write("rules.yaml", RULES.replace("not: [requester] }\n    except", named));
    for file in ["slow-1", "slow-2"] {
        place.must(&format!("definitions publish {file}.yaml --as ada"));
    }
    place.must("submit slow --version 1 --as ada");
    place.must("approve 1 --as bob");
    place.must("baseline publish rules.yaml --reason 'an audit asks for it' --as eve");
    place.must("migrate 1 --to 2 --reason 'the new rules' --as mig");
    assert_snapshot!(place.shows(&[
        "signal 1 go --as ada",
        "override 1 --requirement four-eyes --reason 'it burns' --as bob",
        "override 1 --requirement tested --reason 'it burns' --as hal",
        "override 1 --requirement four-eyes --hold later --reason 'it burns' --as hal",
        "override 1 --requirement four-eyes --reason 'it burns' --as hal",
        "show 1",
        "withdraw 1 --requirement four-eyes --as hal",
        "history 1",
    ]), @r"
    $ holdpoint signal 1 go --as ada
    signalled run 1: Slow
    held at `later`
      waiting  `four-eyes` of the baseline house-rules: nothing has met it yet
               can override it: hal
    next: override `four-eyes` of the baseline for this run, with a reason, as role head, not requester or editors: `holdpoint override 1 --requirement four-eyes --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint override 1 --requirement four-eyes --reason 'it burns' --as bob
    error[HP1002]: `bob` may not override `four-eyes` of the baseline for a run
    help: role head, not requester or editors: hal
    [exit 1]

    $ holdpoint override 1 --requirement tested --reason 'it burns' --as hal
    error[HP1031]: nobody may override `tested` for one run
    help: the baseline would have to name who may: `override`
    [exit 1]

    $ holdpoint override 1 --requirement four-eyes --hold later --reason 'it burns' --as hal
    error: the argument `--requirement <NAME>` cannot be used with `--hold <HOLD>`
    help: the usage is `holdpoint override --reason <REASON> --requirement <NAME> --as <MEMBER> <RUN>`
    [exit 2]

    $ holdpoint override 1 --requirement four-eyes --reason 'it burns' --as hal
    overrode a requirement of run 1: Slow
    working at `install`
      waiting  no activity `install` is configured here
    next: configure it in the directory's `holdpoint.toml`, then run `holdpoint work`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint show 1
    run 1: Slow
    id        [uuid]
    project   lab
    workflow  slow v2 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 17
    input     none

    working at `install`
      waiting  no activity `install` is configured here
    next: configure it in the directory's `holdpoint.toml`, then run `holdpoint work`
    next: cancel the run, as `ada` or a member with the role `owner`

    baseline  house-rules, revision 1
      overridden      four-eyes: hal has overridden it for this run: it burns
      not applicable  tested: the definition has no such work

    $ holdpoint withdraw 1 --requirement four-eyes --as hal
    error[HP1031]: the work that `four-eyes` stands before has begun, and none can begin any more
    help: `holdpoint show RUN` says how it stands to its baseline
    [exit 1]

    $ holdpoint history 1
    run 1: Slow
      [time]  ada  submitted it to slow v1
      [time]  ada  it reached `agree`
      [time]  ada  held at `agree` for 1 of rule peer
      [time]  bob  approved `agree` (role engineer)
      [time]  bob  `agree` was released
      [time]  bob  it reached `later`
      [time]  bob  held at `later`
      [time]  mig  migrated it from v1 to v2 at `later`: the new rules
      [time]  mig  it reached `later` again, time 2
      [time]  mig  held at `later`
      [time]  ada  signalled `go`
      [time]  ada  `later` took the signal `go`
      [time]  ada  `later` was released
      [time]  ada  the baseline keeps it before `install`: four-eyes (nothing has met it yet)
      [time]  hal  overrode `four-eyes` of the baseline for this run (role head): it burns
      [time]  hal  it reached `install`
      [time]  hal  `install` asked for `install`

    times are UTC; with `--json` every event is printed as it is stored
    ");
    let shown = place.ask("show 1");
    let one = &shown["view"]["baseline"]["requirements"][0];
    assert_eq!((&one["status"], &one["met"]), (&"overridden".into(), &false.into()));
    assert_eq!(one["overridden_by"], "hal");
}

#[test]
fn authors_see_what_a_baseline_makes_of_a_definition() {
    let _filters = filters();
    let place = Place::empty();
    place.write("rules.yaml", RULES);
    let stricter = RULES
        .replace("need: 2", "need: 3")
        .replace("    evidence: test-report", "    evidence: test-report\n    override: role:head");
    place.write("stricter.yaml", stricter);
    place.write("change.yaml", slow(1, 2));
    place.write("weaker.yaml", slow(2, 1));
    place.write(
        "change.scenarios.yaml",
        "
definition: change.yaml
members: { ada: [], bob: role:engineer, cy: role:engineer }
scenarios:
  two agree:
    given: { by: ada }
    when:
      - approve: bob
      - expect: { baseline: { four-eyes: open, tested: not_applicable } }
      - approve: cy
    then: { baseline: { four-eyes: met } }
",
    );
    assert_snapshot!(place.shows(&[
        "test change.scenarios.yaml",
        "test change.scenarios.yaml --baseline rules.yaml",
        "test change.scenarios.yaml --baseline stricter.yaml",
        "explain change.yaml --baseline rules.yaml",
        "diff rules.yaml rules.yaml",
        "diff rules.yaml stricter.yaml",
        "diff rules.yaml change.yaml",
        "diff rules.yaml stricter.yaml --baseline rules.yaml",
        "diff change.yaml weaker.yaml --baseline rules.yaml",
        "test change.scenarios.yaml --baseline rules.yaml --coverage",
        "simulate change.yaml --baseline stricter.yaml",
        "graph weaker.yaml --baseline rules.yaml --format mermaid",
    ]), @r#"
    $ holdpoint test change.scenarios.yaml
    error: 1 of 1 scenario failed
    help: what differs stands above, with what happened: change the definition, or what the scenario expects
    change.scenarios.yaml
      FAIL  two agree

            line 9, expect:
              baseline four-eyes
                expected  open
                got       the run is judged by no baseline: name one, `baseline: FILE`, or `--baseline FILE`
              baseline tested
                expected  not_applicable
                got       the run is judged by no baseline: name one, `baseline: FILE`, or `--baseline FILE`

            what happened:
              [time]  ada  submitted it to slow v1
              [time]  ada  it reached `agree`
              [time]  ada  held at `agree` for 2 of rule peer
              [time]  bob  approved `agree` (role engineer)
            it is held at `agree`, for peer (1 of 2 approvals by role engineer)

    1 scenario: 0 passed, 1 failed
    [exit 1]

    $ holdpoint test change.scenarios.yaml --baseline rules.yaml
    change.scenarios.yaml
      ok    two agree

    1 scenario: 1 passed, 0 failed

    $ holdpoint test change.scenarios.yaml --baseline stricter.yaml
    change.yaml:13:3: error[HP2401]: `install` can be reached without `four-eyes` of the baseline `house-rules`
       |
    13 |   install:
       |   ^^^^^^^
    help: let every way to it pass a hold in which at least 3 must approve, of role engineer, with `not: [requester]`; `agree` is not enough: only 2 of its seats are always filled by such members; this way does not: `agree`, `later`, `install`
    [exit 2]

    $ holdpoint explain change.yaml --baseline rules.yaml
    Slow (`slow`, version 1)

    What is submitted: nothing.
    A run begins in `agree`.

    agree
      The run is held.
      People must agree:
      - peer: 2 approvals by role engineer.
      Nobody decides on a run that they have submitted.
      One rejection, with a reason, is enough to reject.
      Whoever votes in the place of others counts once.
      When released, it goes on in `later`.
      When rejected, the run is over: refused.

    later
      The run is held.
      It waits for the signal `go`.
      When released, it goes on in `install`.

    install
      A worker does `install` (at most 10m an attempt, one attempt).
      When succeeded, the run is over: done.
      When failed, the run is over: refused.

    The requester and members with the role owner can cancel a run at any time, with a reason.

    By the baseline `house-rules` (What every change keeps to):

    four-eyes
      Two engineers agree. Before any work: a hold in which at least 2 must approve, of role engineer, with `not: [requester]`; not of `notice`: it only tells.
      Met before `install` by the release of `agree`.

    tested
      Nothing is rolled out that was not tested. Before each `do` with rollout: a hold with the evidence `test-report`.
      The definition has no such work.

    $ holdpoint diff rules.yaml rules.yaml
    `house-rules` → `house-rules`: no difference in meaning

    $ holdpoint diff rules.yaml stricter.yaml
    `house-rules` → `house-rules`: 2 differences

    requirement four-eyes
      ~ approval: how many: 2 → 3

    requirement tested
      + may be overridden by: role head; not by editors, requester

    $ holdpoint diff rules.yaml change.yaml
    error: one of the files is a baseline, and the other is none
    help: name two definitions, or two baselines
    [exit 2]

    $ holdpoint diff rules.yaml stricter.yaml --baseline rules.yaml
    error: the files are baselines, and baselines do not keep to one
    help: name two definitions, or leave the third baseline out
    [exit 2]

    $ holdpoint diff change.yaml weaker.yaml --baseline rules.yaml
    `slow` v1 → `slow` v2: 3 differences

    definition
      ~ version: 1 → 2

    state agree
      ~ rule peer: how many must approve: 2 → 1

    baseline house-rules
      ~ four-eyes: met, by the release of `agree` → not met before `install`

    $ holdpoint test change.scenarios.yaml --baseline rules.yaml --coverage
    change.scenarios.yaml
      ok    two agree

    1 scenario: 1 passed, 0 failed

    41% of change.yaml is reached: states 2/5, ways 1/5, rules 1/1, requirements 1/1
      not reached (ways): agree: rejected → refused
      not reached (ways): later: released → install
      not reached (states): install
      not reached (ways): install: succeeded → done
      not reached (ways): install: failed → refused
      not reached (states): done
      not reached (states): refused

    $ holdpoint simulate change.yaml --baseline stricter.yaml
    change.yaml:13:3: error[HP2401]: `install` can be reached without `four-eyes` of the baseline `house-rules`
       |
    13 |   install:
       |   ^^^^^^^
    help: let every way to it pass a hold in which at least 3 must approve, of role engineer, with `not: [requester]`; `agree` is not enough: only 2 of its seats are always filled by such members; this way does not: `agree`, `later`, `install`
    [exit 2]

    $ holdpoint graph weaker.yaml --baseline rules.yaml --format mermaid
    flowchart TD
      start(( )) --> s0
      s0{{"agree<br>1 of role engineer"}}
      s0 -->|"released"| s1
      s0 -->|"rejected"| s4
      s1{{"later<br>signal go"}}
      s1 -->|"released"| s2
      s2["install<br>reached without four-eyes"]
      s2 -->|"succeeded"| s3
      s2 -->|"failed"| s4
      style s2 stroke:#ba2525,stroke-width:3px
      s3(["done"])
      s4(["refused"])
      linkStyle 1,3 stroke:#ba2525
      baseline["baseline house-rules<br>four-eyes: not met<br>tested: not applicable"]
      style baseline fill:none,stroke-dasharray:4
    "#);
}

#[test]
fn every_tool_of_authors_looks_by_the_one_in_force() {
    let _filters = filters();
    let place = place();
    place.write(
        "change-2.scenarios.yaml",
        "
definition: change-2.yaml
members: { ada: [], bob: role:engineer, cy: role:engineer }
scenarios:
  one is not enough: { given: { by: ada }, when: [{ approve: bob }], then: { baseline: { four-eyes: open } } }
",
    );
    let steps = "submit ada\napprove bob\nexpect: { baseline: { four-eyes: open } }\n";
    let tools = [
        "check change-1.yaml",
        "explain change-2.yaml",
        "diff change-1.yaml change-2.yaml",
        "test change-2.yaml",
        "graph change-2.yaml --format mermaid",
        "simulate change-2.yaml",
    ];
    for tool in tools {
        let none = place.sh_with(&format!("{tool} --project-baseline"), steps);
        none.fails_well(2, &tool);
        assert!(none.errors.contains("no baseline is in force in the project `lab`"), "{none}");
    }
    place.must("baseline publish rules.yaml --reason 'an audit asks for it' --as eve");
    for tool in tools {
        let without = place.sh_with(tool, steps);
        let by_file = place.sh_with(&format!("{tool} --baseline rules.yaml"), steps);
        let by_project = place.sh_with(&format!("{tool} --project-baseline"), steps);
        assert_eq!(by_file.to_string(), by_project.to_string(), "{tool}");
        assert_ne!(by_file.to_string(), without.to_string(), "{tool}");
    }
}
