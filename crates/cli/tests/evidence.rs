//! Evidence from the shell: attaching it, getting it back, and what becomes of it in copies.

use std::{fs, path::PathBuf};

use holdpoint::{EvidenceStore, core::Digest};
use insta::assert_snapshot;

use crate::common::{DATA, Place, assert_same, filters};

const PROVEN: &str = "
workflow: proven
version: 1
title: A change that is proven
start: prove
states:
  prove:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 1 } }
        not: [requester]
        amended: subset
      evidence:
        report: { from: role:engineer, not: [requester], media: application/pdf, max_size: 1 kB }
        plan: {}
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

/// A place with a run that demands evidence, and files to attach.
fn place() -> Place {
    let place = Place::lab();
    place.write("proven.yaml", PROVEN);
    place.write("report.pdf", "it works");
    place.write("plan.md", "go back");
    place.must("definitions publish proven.yaml --as ada");
    place.must("submit proven --as ada");
    place
}

/// Where the file with this content is kept.
fn kept(place: &Place, content: &str) -> PathBuf {
    let digest = Digest::of(content.as_bytes()).to_string();
    let (first, rest) = digits(&digest).split_at(2);
    place.path(&format!("{DATA}/evidence/{first}/{rest}"))
}

fn digits(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap()
}

#[test]
fn evidence_is_attached_listed_and_got_back() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "show 1",
        "attach 1 plan plan.md --as ada",
        "attach 1 report report.pdf --note 'the second run' --as bob",
        "evidence list 1",
        "evidence get 1 report --out copy.pdf",
        "approve 1 --as bob",
        "history 1",
    ]), @"
    $ holdpoint show 1
    run 1: A change that is proven
    id        [uuid]
    project   lab
    workflow  proven v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 3
    input     none

    held at `prove`
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy, eve
      waiting  the evidence report by role engineer, which is not attached
               can attach it: bob, cy, eve
      waiting  the evidence plan, which is not attached
    next: approve or reject `prove`
    next: amend the input, as `ada` or a member with the role `owner`
    next: attach the evidence `report`
    next: attach the evidence `plan`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint attach 1 plan plan.md --as ada
    attached evidence to run 1: A change that is proven
    held at `prove`
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy, eve
      waiting  the evidence report by role engineer, which is not attached
               can attach it: bob, cy, eve
      met      the evidence plan
      shown    plan (plan.md, [n] bytes) by ada at [time] UTC
               sha256:[digest]
    next: approve or reject `prove`
    next: amend the input, as `ada` or a member with the role `owner`
    next: attach the evidence `report`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint attach 1 report report.pdf --note 'the second run' --as bob
    attached evidence to run 1: A change that is proven
    held at `prove`
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy, eve
      met      the evidence report by role engineer
      met      the evidence plan
      shown    plan (plan.md, [n] bytes) by ada at [time] UTC
               sha256:[digest]
      shown    report (report.pdf, [n] bytes) by bob at [time] UTC: the second run
               sha256:[digest]
    next: approve or reject `prove`
    next: amend the input, as `ada` or a member with the role `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint evidence list 1
    EVIDENCE          FILE        SIZE  BY   AT (UTC)             DIGEST
    plan      newest  plan.md     7     ada  [time]  sha256:[digest]
    report    newest  report.pdf  8     bob  [time]  sha256:[digest]

    $ holdpoint evidence get 1 report --out copy.pdf
    wrote the evidence report to copy.pdf, [n] bytes
    sha256:[digest]

    $ holdpoint approve 1 --as bob
    approved run 1: A change that is proven
    it has ended: done
      shown    plan (plan.md, [n] bytes) by ada at [time] UTC
               sha256:[digest]
      shown    report (report.pdf, [n] bytes) by bob at [time] UTC: the second run
               sha256:[digest]

    $ holdpoint history 1
    run 1: A change that is proven
      [time]  ada  submitted it to proven v1
      [time]  ada  it reached `prove`
      [time]  ada  held at `prove` for 1 of rule peer
      [time]  ada  attached the evidence `plan` (role owner) (plan.md, [n] bytes, sha256:[digest])
      [time]  bob  attached the evidence `report` (role engineer) (report.pdf, [n] bytes, sha256:[digest]): the second run
      [time]  bob  approved `prove` (role engineer)
      [time]  bob  `prove` was released
      [time]  bob  it reached `done`
      [time]  bob  it ended: done

    times are UTC; with `--json` every event is printed as it is stored
    ");
    assert_eq!(fs::read_to_string(place.path("copy.pdf")).unwrap(), "it works");
}

#[test]
fn what_is_refused_leaves_no_file() {
    let _filters = filters();
    let place = place();
    place.write("large.pdf", "x".repeat(1_001));
    let before = place.truth();
    assert_snapshot!(place.shows(&[
        "attach 1 report report.pdf --as ada",
        "attach 1 report plan.md --as bob",
        "attach 1 report large.pdf --as bob",
        "attach 1 diary plan.md --as bob",
        "attach 1 report none.pdf --as bob",
        "attach 1 report . --as bob",
        "attach 1 report /dev/zero --as bob",
        "attach 1 report --as bob",
        "attach 1 report --reference https://example.com --sha256 abc --as bob",
        "attach 1 report --reference https://example.com --as bob",
        "evidence get 1 report --out copy.pdf",
    ]), @"
    $ holdpoint attach 1 report report.pdf --as ada
    error[HP1003]: `ada` submitted the run and nobody decides on their own
    help: `report` attached by role engineer: bob, cy, eve
    [exit 1]

    $ holdpoint attach 1 report plan.md --as bob
    error[HP1008]: this is not the evidence `report`: it is text/markdown, and must be application/pdf
    help: correct what was given: `--help` after the command explains its arguments, `holdpoint definitions show NAME` has the input that a definition takes
    [exit 1]

    $ holdpoint attach 1 report large.pdf --as bob
    error[HP1008]: this is not the evidence `report`: it has [n] bytes, and may have 1 kB
    help: correct what was given: `--help` after the command explains its arguments, `holdpoint definitions show NAME` has the input that a definition takes
    [exit 1]

    $ holdpoint attach 1 diary plan.md --as bob
    error[HP1006]: nothing in this run can want the evidence `diary`
    help: it can still want plan, report
    [exit 1]

    $ holdpoint attach 1 report none.pdf --as bob
    error: `none.pdf` cannot be read: there is no such file
    help: name a file that can be read
    [exit 2]

    $ holdpoint attach 1 report . --as bob
    error: `.` is not the name of a file
    help: name a file whose name is text
    [exit 2]

    $ holdpoint attach 1 report /dev/zero --as bob
    error: `/dev/zero` is no regular file
    help: write what it gives to a file, and attach that
    [exit 2]

    $ holdpoint attach 1 report --as bob
    error: the following required arguments were not provided:
      <FILE>
    help: the usage is `holdpoint attach --as <MEMBER> <RUN> <NAME> <FILE>`
    [exit 2]

    $ holdpoint attach 1 report --reference https://example.com --sha256 abc --as bob
    error: `--sha256 <DIGEST>`: `abc` is not a digest: expected 64 hexadecimal digits, as `sha256sum` prints them
    help: `--help` after a command explains its arguments
    [exit 2]

    $ holdpoint attach 1 report --reference https://example.com --as bob
    error: the following required arguments were not provided:
      --sha256 <DIGEST>
    help: the usage is `holdpoint attach --reference <URL> --sha256 <DIGEST> --as <MEMBER> <RUN> <NAME> [FILE]`
    [exit 2]

    $ holdpoint evidence get 1 report --out copy.pdf
    error: the run was shown no evidence `report`
    help: attach some with `holdpoint attach`
    [exit 2]
    ");
    assert_same(&before, &place.truth(), &"what is refused");
    // What an event names stays, also when the same file is refused.
    place.must("attach 1 plan report.pdf --as ada");
    assert_eq!(place.sh("attach 1 report report.pdf --as ada").code, Some(1));
    place.must("evidence get 1 plan --out copy.pdf");
}

#[test]
fn a_reference_is_what_its_digest_says() {
    let _filters = filters();
    let place = place();
    let digest = Digest::of(b"it works").to_string();
    let sha256 = digits(&digest);
    assert_snapshot!(place.shows(&[
        &format!("attach 1 report --reference https://reports.example.com/4711 --sha256 {sha256} --media-type application/pdf --size 4000000 --as bob"),
        "evidence get 1 report --out copy.pdf",
        "evidence list 1 --json",
    ]).replace(sha256, &"0".repeat(64)), @r#"
    $ holdpoint attach 1 report --reference https://reports.example.com/4711 --sha256 0000000000000000000000000000000000000000000000000000000000000000 --media-type application/pdf --size 4000000 --as bob
    attached evidence to run 1: A change that is proven
    held at `prove`
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy, eve
      met      the evidence report by role engineer
      waiting  the evidence plan, which is not attached
      shown    report (https://reports.example.com/4711) by bob at [time] UTC
               sha256:[digest]
    next: approve or reject `prove`
    next: amend the input, as `ada` or a member with the role `owner`
    next: attach the evidence `plan`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint evidence get 1 report --out copy.pdf
    error: the evidence `report` is not kept here
    help: fetch https://reports.example.com/4711 and compare its digest with sha256:[digest]
    [exit 2]

    $ holdpoint evidence list 1 --json
    {
      "evidence": [
        {
          "at": "[time]",
          "by": "bob",
          "digest": "sha256:[digest]",
          "evidence": "report",
          "file": null,
          "media_type": "application/pdf",
          "newest": true,
          "note": null,
          "reference": "https://reports.example.com/4711",
          "size": 4000000,
          "state": "prove"
        }
      ]
    }
    "#);
    place.must("verify");
}

#[test]
fn an_older_piece_is_superseded_and_kept() {
    let _filters = filters();
    let place = place();
    place.must("attach 1 plan plan.md --as ada");
    place.must("approve 1 --as bob");
    place.write("plan.md", "stay there");
    assert_snapshot!(place.shows(&[
        "attach 1 plan plan.md --as cy",
        "evidence list 1",
        "evidence get 1 plan --out new.md",
        &format!("evidence get 1 {} --out old.md", Digest::of(b"go back")),
    ]), @"
    $ holdpoint attach 1 plan plan.md --as cy
    attached evidence to run 1: A change that is proven
    held at `prove`
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy, eve
      waiting  the evidence report by role engineer, which is not attached
               can attach it: bob, cy, eve
      met      the evidence plan
      shown    plan (plan.md, [n] bytes) by cy at [time] UTC
               sha256:[digest]
    next: approve or reject `prove`
    next: amend the input, as `ada` or a member with the role `owner`
    next: attach the evidence `report`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint evidence list 1
    EVIDENCE              FILE     SIZE  BY   AT (UTC)             DIGEST
    plan      superseded  plan.md  7     ada  [time]  sha256:[digest]
    plan      newest      plan.md  10    cy   [time]  sha256:[digest]

    $ holdpoint evidence get 1 plan --out new.md
    wrote the evidence plan to new.md, [n] bytes
    sha256:[digest]

    $ holdpoint evidence get 1 sha256:[digest] --out old.md
    wrote the evidence plan to old.md, [n] bytes
    sha256:[digest]
    ");
    assert_eq!(fs::read_to_string(place.path("new.md")).unwrap(), "stay there");
    assert_eq!(fs::read_to_string(place.path("old.md")).unwrap(), "go back");
}

#[test]
fn damage_is_named() {
    let _filters = filters();
    let place = place();
    place.must("attach 1 plan plan.md --as ada");
    place.must("attach 1 report report.pdf --as bob");
    assert_snapshot!(place.must("verify"), @"
    the log is whole: 19 events in 2 streams, [n] bytes
    every run replays: 1 run
    all evidence is whole: 2 files, [n] bytes
    root sha256:[digest]
    ");
    fs::write(kept(&place, "go back"), "go on").unwrap();
    fs::remove_file(kept(&place, "it works")).unwrap();
    assert_snapshot!(place.shows(&["verify", "evidence get 1 plan --out copy.md"]), @"
    $ holdpoint verify
    error: the log is whole, but of 2 files of evidence 2 are damaged:
    event 18, `plan`: the evidence sha256:[digest] has changed: `./holdpoint-data/evidence/8a/af5e76b6032ccb575364134b378381cbd25ce6a40ce8f70973f29960c920b6` has other bytes
    event 19, `report`: the evidence sha256:[digest] is missing: there is no `./holdpoint-data/evidence/f0/6058665bb4627a2ab017d6625ff0a3487d583cd91ed650037ef11c2cb8defb`
    help: copy the file from a backup's `evidence`; its digest says whether it is the right one
    [exit 3]

    $ holdpoint evidence get 1 plan --out copy.md
    error: the evidence sha256:[digest] has changed: `./holdpoint-data/evidence/8a/af5e76b6032ccb575364134b378381cbd25ce6a40ce8f70973f29960c920b6` has other bytes
    help: copy the file from a backup's `evidence`; its digest says whether it is the right one
    [exit 3]
    ");
    assert!(!place.path("copy.md").exists());
    // Attached anew, it is there again.
    place.must("attach 1 plan plan.md --as ada");
    place.must("attach 1 report report.pdf --as bob");
    place.must("verify");
}

#[test]
fn nobody_releases_what_relies_on_a_damaged_file() {
    let _filters = filters();
    let place = place();
    place.must("attach 1 plan plan.md --as ada");
    place.must("attach 1 report report.pdf --as bob");
    let (report, plan) = (kept(&place, "it works"), kept(&place, "go back"));
    fs::write(&report, "it WORKS").unwrap();
    let before = place.truth();
    let refused = place.refuses("approve 1 --as bob", "HP1045");
    for says in [
        "`report`, which the hold demands, is not what was attached",
        "holdpoint attach RUN report FILE",
    ] {
        assert!(refused.contains(says), "{refused}");
    }
    assert_same(&before, &place.truth(), &"approve");
    // Nor by what else could release it: but whoever says no needs no evidence.
    place.write("other.md", "go further back");
    place.refuses("attach 1 plan other.md --as ada", "HP1045");
    place.must("comment 1 'the report is broken' --as bob");
    // Both are damaged, and both can be mended one after the other.
    fs::remove_file(&plan).unwrap();
    place.must("attach 1 plan plan.md --as ada");
    place.refuses("approve 1 --as bob", "HP1045");
    place.must("attach 1 report report.pdf --as bob");
    place.must("approve 1 --as bob");
    assert!(place.must("show 1").contains("it has ended: done"));
}

#[test]
fn copies_have_the_files() {
    let _filters = filters();
    let place = place();
    place.must("attach 1 plan plan.md --as ada");
    assert_snapshot!(place.shows(&["backup saved"]), @"
    $ holdpoint backup saved
    backed up 18 events to saved, 18 of them new
    and 1 new file of evidence
    root sha256:[digest]
    ");
    place.must("attach 1 report report.pdf --as bob");
    place.must("backup saved");
    place.must("--dir new restore saved");
    place.must("--dir new verify");
    place.must("salvage saved-from-damage");
    place.must("--dir saved-from-damage verify");
    assert_snapshot!(place.shows(&[
        "export events.jsonl",
        "--dir imported import events.jsonl",
        "--dir imported verify",
    ]), @"
    $ holdpoint export events.jsonl
    exported 19 events to events.jsonl
    2 files of evidence are not in an export: copy the directory `./holdpoint-data/evidence` as well
    root sha256:[digest]

    $ holdpoint --dir imported import events.jsonl
    imported 19 events into imported
    2 files of evidence are not in the import: copy the directory `evidence` as well
    root sha256:[digest]

    $ holdpoint --dir imported verify
    error: the log is whole, but of 2 files of evidence 2 are damaged:
    event 18, `plan`: the evidence sha256:[digest] is missing: there is no `imported/evidence/8a/af5e76b6032ccb575364134b378381cbd25ce6a40ce8f70973f29960c920b6`
    event 19, `report`: the evidence sha256:[digest] is missing: there is no `imported/evidence/f0/6058665bb4627a2ab017d6625ff0a3487d583cd91ed650037ef11c2cb8defb`
    help: copy the file from a backup's `evidence`; its digest says whether it is the right one
    [exit 3]
    ");
    let files = |data: &str| EvidenceStore::within(&place.path(data)).digests().unwrap();
    assert_eq!(files(DATA).len(), 2);
    for copy in ["saved", "new", "saved-from-damage"] {
        assert_eq!(files(copy), files(DATA), "{copy}");
    }

    // A backup of what is damaged says so, and keeps what it has.
    place.write("third.pdf", "another");
    place.must("attach 1 report third.pdf --as bob");
    fs::write(kept(&place, "go back"), "go on").unwrap();
    place.must("backup saved");
    assert_eq!(place.sh("backup other").code, Some(3));
    // One damaged file keeps no other out of it.
    assert_eq!(files("other").len(), 2);
    place.must("--dir again restore saved");
    place.must("--dir again verify");
}

#[test]
fn a_qualification_has_evidence_that_is_shown_verified_and_backed_up() {
    let _filters = filters();
    let place = Place::lab();
    place.write("card.pdf", "cy knows networks");
    assert_snapshot!(place.shows(&[
        "project qualify cy network --issuer CCIE --evidence card.pdf --as bob",
        "project qualify cy network --issuer CCIE --evidence none.pdf --as ada",
        "project qualify cy network --issuer CCIE --until 2030-01-01T00:00:00Z --evidence card.pdf --as ada",
        "project evidence cy network --out copy.pdf",
        "project evidence bob network --out other.pdf",
        "project show",
        "verify",
        "project disqualify cy network --reason 'the card was withdrawn' --as ada",
    ]), @"
    $ holdpoint project qualify cy network --issuer CCIE --evidence card.pdf --as bob
    error[HP1002]: `bob` may not change the project `lab`: that takes the role `owner`
    help: ask an owner of the project: ada
    [exit 1]

    $ holdpoint project qualify cy network --issuer CCIE --evidence none.pdf --as ada
    error: `none.pdf` cannot be read: there is no such file
    help: name a file that can be read
    [exit 2]

    $ holdpoint project qualify cy network --issuer CCIE --until [time] --evidence card.pdf --as ada
    `cy` is qualified in network until [time] (CCIE, shown by card.pdf)

    $ holdpoint project evidence cy network --out copy.pdf
    wrote the evidence qualification of cy in network to copy.pdf, [n] bytes
    sha256:[digest]

    $ holdpoint project evidence bob network --out other.pdf
    error: no qualification of `bob` in network has evidence
    help: `holdpoint project show` has the qualifications; `project qualify --evidence FILE` records evidence
    [exit 2]

    $ holdpoint project show
    lab: The lab
    created [time] UTC, 5 members, 1 published definition

    MEMBER  NAME     ROLES     QUALIFICATIONS
    ada     ada      owner
    bob     bob      engineer  in network (CCIE)
    cy      cy       engineer  in network until [time] (CCIE, shown by card.pdf)
    dora    Dora D.
    eve     eve      engineer  in network (CCIE)

    $ holdpoint verify
    the log is whole: 14 events in 1 stream, [n] bytes
    every run replays: 0 runs
    all evidence is whole: 1 file, [n] bytes
    root sha256:[digest]

    $ holdpoint project disqualify cy network --reason 'the card was withdrawn' --as ada
    `cy` is no longer qualified in network
    ");
    assert_eq!(fs::read_to_string(place.path("copy.pdf")).unwrap(), "cy knows networks");
    let history = place.must("history");
    assert!(history.contains("attested by CCIE, shown by card.pdf (sha256:"), "{history}");
    assert!(history.contains("qualification in network: the card was withdrawn"), "{history}");
    place.must("backup copy");
    let copied = EvidenceStore::within(&place.path("copy"));
    copied.check(&Digest::of(b"cy knows networks")).unwrap();
    // What is revoked is still what was shown once.
    fs::write(kept(&place, "cy knows networks"), "cy knows nothing").unwrap();
    let verified = place.sh("verify");
    assert_eq!(verified.code, Some(3));
    assert!(verified.errors.contains("`qualification of cy in network`"), "{}", verified.errors);
}

#[test]
fn a_refused_qualification_leaves_no_file() {
    let place = Place::lab();
    place.write("card.pdf", "cy knows networks");
    let before = place.truth();
    place
        .sh("project qualify cy network --issuer CCIE --evidence card.pdf --as bob")
        .fails_well(1, &"no owner");
    place
        .sh("project qualify zed network --issuer CCIE --evidence card.pdf --as ada")
        .fails_well(1, &"no member");
    assert_same(&before, &place.truth(), &"what is refused");
}
