//! Windows: a run goes on only at a moment when all is there and the calendars, as they are then,
//! allow it; or when somebody who may says so.

use holdpoint_core::{
    Action, ProjectEvent, RefusalCode, RunStatus, event::TypedEvent, testing::Bench,
};
use holdpoint_definition::{
    DefinitionEvent,
    calendar::{Calendar, Schedule},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    common::{cases, ended, hours, last, open, people, refused, submitted, workflow},
    rollout_windows::ROLLOUT,
};

/// On Tuesdays from 22:00 to 02:00. Every test begins on Monday, 5 January 2026, at 09:00.
pub(crate) const MAINTENANCE: &str = "
zone: UTC
windows: [{ starts: 2026-01-06T22:00, lasts: 4h, repeat: FREQ=WEEKLY;BYDAY=TU }]
";
/// As above, with the first one left out.
pub(crate) const MAINTENANCE_LATER: &str = "
zone: UTC
windows:
  - { starts: 2026-01-06T22:00, lasts: 4h, repeat: FREQ=WEEKLY;BYDAY=TU, except: [2026-01-06] }
";
pub(crate) const FREEZE: &str = "
zone: UTC
freezes: [{ from: 2026-01-06, to: 2026-01-08, reason: The year is closed }]
";
pub(crate) const NO_FREEZE: &str = "
zone: UTC
freezes: [{ from: 2026-06-01, to: 2026-06-02 }]
";

pub(crate) fn published(name: &str, says: &str, revision: u32) -> ProjectEvent {
    let source = format!("calendar: {name}{says}");
    let calendar = Calendar::parse(name, &source).unwrap();
    ProjectEvent::CalendarPublished {
        calendar: name.parse().unwrap(),
        revision,
        digest: calendar.digest(),
        title: None,
        source,
    }
}

fn retired(name: &str) -> ProjectEvent {
    ProjectEvent::CalendarRetired { calendar: name.parse().unwrap(), reason: "over".to_owned() }
}

/// A run in a project with these calendars.
#[track_caller]
pub(crate) fn with(source: &str, calendars: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::new(workflow(source), people());
    for (name, says) in calendars {
        bench.happens(&published(name, says, 1));
    }
    bench.submit("ada", json!({})).unwrap();
    bench
}

/// A definition whose first state is this hold.
pub(crate) fn held(hold: &str, on: &str) -> String {
    let ends = ["refused", "lapsed"].into_iter().filter(|end| on.contains(end));
    let ends: String = ends.map(|end| format!("  {end}: {{ end: {end} }}\n")).collect();
    format!(
        "
workflow: windows
version: 1
title: Windows
start: schedule
states:
  schedule:
    hold: {hold}
    on: {{ released: done, {on} }}
  done: {{ end: done }}
{ends}"
    )
}

const APPROVED: &str = "{ approval: { rules: { peer: { from: role:engineer, need: 1 } } }, \
    window: calendar:maintenance, not_during: calendar:freeze }";
pub(crate) const ON_REJECTED: &str = "rejected: refused";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Lets time pass until a moment.
pub(crate) fn until(bench: &mut Bench, text: &str) {
    bench.advance(at(text).duration_since(bench.now()));
}

pub(crate) fn is_done(bench: &Bench) -> bool {
    bench.status() == ended("done")
}

pub(crate) fn overriding(reason: &str) -> Action {
    Action::Override { hold: None, reason: reason.to_owned() }
}

#[test]
fn an_approval_keeps_until_the_window_opens() {
    let source = held(APPROVED, ON_REJECTED);
    let mut bench = with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    bench.approve("bob").unwrap();
    let awaited = last(&bench, "window.awaited");
    assert_eq!(awaited["opens"], "2026-01-06T22:00:00Z");
    assert_eq!(awaited["closes"], "2026-01-07T02:00:00Z");
    until(&mut bench, "2026-01-06T21:59:59Z");
    assert_eq!(bench.status(), RunStatus::Held);
    until(&mut bench, "2026-01-06T22:00:00Z");
    assert!(is_done(&bench), "a window begins with its first moment");
    let opened = last(&bench, "window.opened");
    assert_eq!((&opened["opens"], &opened["closes"]), (&awaited["opens"], &awaited["closes"]));
    let digest = Calendar::parse("x", &format!("calendar: maintenance{MAINTENANCE}")).unwrap();
    assert_eq!(opened["calendars"][0]["digest"], digest.digest().to_string());
}

#[test]
fn a_window_that_closes_before_the_approval_is_waited_for_again() {
    let source = held(APPROVED, ON_REJECTED);
    let mut bench = with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    // Nothing is noted of windows that come and go while nobody could use them.
    until(&mut bench, "2026-01-07T02:00:00Z");
    assert!(!bench.types().iter().any(|kind| kind.contains("window")), "{:?}", bench.types());
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), RunStatus::Held, "it ends with its last moment");
    assert_eq!(last(&bench, "window.awaited")["opens"], "2026-01-13T22:00:00Z");

    let mut bench = with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    until(&mut bench, "2026-01-07T01:59:59Z");
    bench.approve("bob").unwrap();
    assert!(is_done(&bench));

    // A withdrawn approval is not there when the window opens.
    let mut bench = with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    bench.approve("bob").unwrap();
    bench.act("bob", Action::Withdraw { hold: None, in_place_of: None, reason: None }).unwrap();
    until(&mut bench, "2026-01-06T23:00:00Z");
    assert_eq!(bench.status(), RunStatus::Held);
    bench.approve("cy").unwrap();
    assert!(is_done(&bench));
}

#[test]
fn a_freeze_that_is_published_afterwards_is_honoured() {
    let source = held(APPROVED, ON_REJECTED);
    let mut bench = with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    bench.approve("bob").unwrap();
    bench.happens(&published("freeze", FREEZE, 2));
    bench.advance(SignedDuration::ZERO);
    assert_eq!(last(&bench, "window.awaited")["opens"], "2026-01-13T22:00:00Z");
    until(&mut bench, "2026-01-06T23:00:00Z");
    assert_eq!(bench.status(), RunStatus::Held);
    let view = bench.view();
    let window = view.holds[0].conditions.iter().find(|one| one.kind == "window").unwrap();
    assert!(!window.met);
    assert_eq!(
        window.summary,
        "a window of maintenance, not during freeze: closed (The year is closed, says freeze), \
         opens 2026-01-13 22:00:00 UTC"
    );
    // It is lifted again.
    bench.happens(&published("freeze", NO_FREEZE, 3));
    bench.advance(SignedDuration::ZERO);
    assert!(is_done(&bench));
}

#[test]
fn even_one_that_nobody_was_told_of_in_time() {
    let source = held(APPROVED, ON_REJECTED);
    let mut bench = with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    bench.happens(&published("freeze", FREEZE, 2));
    bench.sleep(hours(38));
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
}

#[test]
fn without_its_calendars_nothing_goes_on() {
    let source = held(APPROVED, ON_REJECTED);
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    bench.approve("bob").unwrap();
    let awaited = last(&bench, "window.awaited");
    assert_eq!(awaited["why"], "no calendar `freeze` is published");
    assert_eq!(awaited["calendars"][1], json!({ "calendar": "freeze" }));
    until(&mut bench, "2026-01-06T22:30:00Z");
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(
        bench.next_steps()[1],
        "publish a calendar by which the window opens: it cannot be told (no calendar `freeze` is \
         published)"
    );
    bench.happens(&published("freeze", NO_FREEZE, 1));
    bench.advance(SignedDuration::ZERO);
    assert!(is_done(&bench));

    let mut bench = with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    bench.approve("bob").unwrap();
    bench.happens(&retired("maintenance"));
    until(&mut bench, "2026-01-06T22:30:00Z");
    assert_eq!(bench.status(), RunStatus::Held);
}

#[test]
fn one_that_never_opens_is_looked_for_again() {
    let never = "
zone: UTC
windows: [{ from: 2026-01-01, to: 2026-01-02 }]
";
    let source = held("{ window: calendar:maintenance, expires: 30d }", "expired: lapsed");
    let mut bench = with(&source, &[("maintenance", never)]);
    let awaited = last(&bench, "window.awaited");
    assert!(awaited.get("opens").is_none());
    assert!(awaited.get("looked_to").is_some());
    bench.advance(hours(24 * 30));
    assert_eq!(bench.status(), ended("lapsed"));

    let source = held("{ window: calendar:maintenance }", "");
    let mut bench = with(&source, &[("maintenance", never)]);
    let looked: Timestamp =
        last(&bench, "window.awaited")["looked_to"].as_str().unwrap().parse().unwrap();
    bench.advance(looked.duration_since(bench.now()));
    let again: Timestamp =
        last(&bench, "window.awaited")["looked_to"].as_str().unwrap().parse().unwrap();
    assert!(again > looked);
}

#[test]
fn the_work_must_fit_into_what_is_left() {
    let hold = "{ approval: { rules: { peer: { from: role:engineer, need: 1 } } }, \
        window: { in: calendar:maintenance, fits: 2h } }";
    let source = held(hold, ON_REJECTED);
    for (moment, fits) in [
        ("2026-01-06T21:59:59Z", false),
        ("2026-01-06T22:00:00Z", true),
        ("2026-01-07T00:00:00Z", true),
        ("2026-01-07T00:00:01Z", false),
    ] {
        let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
        until(&mut bench, moment);
        bench.approve("bob").unwrap();
        assert_eq!(is_done(&bench), fits, "{moment}");
    }
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    until(&mut bench, "2026-01-07T01:00:00Z");
    bench.approve("bob").unwrap();
    let awaited = last(&bench, "window.awaited");
    assert_eq!(awaited["why"], "only 1h are left of this one");
    assert_eq!(awaited["opens"], "2026-01-13T22:00:00Z");
}

#[test]
fn how_long_the_work_takes_and_which_calendar_counts_can_be_computed() {
    let source = "
workflow: windows
version: 1
title: Windows
input:
  type: object
  properties: { site: { type: string, default: berlin }, takes: { type: string, default: 4h } }
start: schedule
states:
  schedule:
    hold:
      window: { in: \"calendar:${input.site}\", fits: \"${input.takes}\" }
      expires: 9d
    on: { released: done, expired: lapsed }
  done: { end: done }
  lapsed: { end: lapsed }
";
    let run = |input| {
        let mut bench = Bench::new(workflow(source), people());
        bench.happens(&published("berlin", MAINTENANCE, 1));
        bench.happens(&published("lyon", MAINTENANCE_LATER, 1));
        bench.submit("ada", input).map(|_| bench)
    };
    let mut berlin = run(json!({})).unwrap();
    until(&mut berlin, "2026-01-06T22:00:00Z");
    assert!(is_done(&berlin));
    let lyon = run(json!({ "site": "lyon" })).unwrap();
    assert_eq!(last(&lyon, "window.awaited")["opens"], "2026-01-13T22:00:00Z");
    assert_eq!(
        last(&lyon, "hold.opened")["window"],
        json!({ "windows": ["lyon"], "fits_ms": 14_400_000 })
    );
    let refusal = refused(run(json!({ "site": "Lyon" })).map(|_| ()), RefusalCode::InvalidInput);
    assert!(refusal.message.contains("`Lyon` is not a calendar name"), "{refusal}");
    refused(run(json!({ "takes": "0s" })).map(|_| ()), RefusalCode::InvalidInput);
}

const MISSED: &str = "{ approval: { rules: { peer: { from: role:engineer, need: 1 } } }, \
    window: { in: calendar:maintenance, fits: 2h, missed: expire, override: role:board } }";
const ON_MISSED: &str = "rejected: refused, expired: lapsed";

#[test]
fn a_hold_expires_with_its_window_where_it_says_so() {
    let source = held(MISSED, ON_MISSED);
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    assert_eq!(last(&bench, "window.awaited")["opens"], "2026-01-06T22:00:00Z");
    let deadline = bench.view().holds[0].deadline.clone().unwrap();
    assert_eq!(deadline.at, at("2026-01-07T00:00:00.000000001Z"), "when it does not fit any more");
    until(&mut bench, "2026-01-07T00:00:00Z");
    bench.approve("bob").unwrap();
    assert!(is_done(&bench), "to the last moment");

    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    until(&mut bench, "2026-01-07T00:00:01Z");
    assert_eq!(bench.status(), ended("lapsed"));

    // Submitted while it is open, and when it does not fit any more.
    for (from, deadline) in [(38, "2026-01-07"), (40, "2026-01-14")] {
        let mut bench = Bench::new(workflow(&source), people());
        bench.happens(&published("maintenance", MAINTENANCE, 1));
        bench.sleep(hours(from));
        bench.submit("ada", json!({})).unwrap();
        let ends = bench.view().holds[0].deadline.clone().unwrap().at;
        assert_eq!(ends, at(&format!("{deadline}T00:00:00.000000001Z")), "{from}");
    }
}

#[test]
fn a_missed_window_stays_missed_whenever_that_is_noticed() {
    let source = held(MISSED, ON_MISSED);
    for sleep in [40, 24 * 8 + 14] {
        // Asleep beyond the window, and into the next one.
        let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
        bench.approve("bob").unwrap();
        bench.sleep(hours(sleep));
        let late = refused(bench.approve("cy"), RefusalCode::NotAwaited);
        assert!(late.message.contains("expired"), "{late}");
        bench.advance(SignedDuration::ZERO);
        assert_eq!(bench.status(), ended("lapsed"), "{sleep}");
    }
    // Published too late to change it, even if before anybody noticed.
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    bench.sleep(hours(40));
    bench.happens(&published("maintenance", MAINTENANCE_LATER, 2));
    bench.sleep(hours(1));
    bench.advance(SignedDuration::ZERO);
    assert_eq!(bench.status(), ended("lapsed"));
    // In time, and noticed too late.
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    bench.happens(&published("maintenance", MAINTENANCE_LATER, 2));
    bench.sleep(hours(40));
    bench.advance(SignedDuration::ZERO);
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(last(&bench, "window.awaited")["opens"], "2026-01-13T22:00:00Z");
    // There is none at all: nothing is waited for.
    let none = "
zone: UTC
windows: [{ from: 2026-01-01, to: 2026-01-02 }]
";
    let bench = with(&source, &[("maintenance", none)]);
    assert_eq!(bench.status(), ended("lapsed"));
    // But a calendar that is not there is a mistake, and no window that was missed.
    let bench = with(&source, &[]);
    assert_eq!(bench.status(), RunStatus::Held);
}

#[test]
fn who_waits_for_the_next_is_not_let_go_by_one_that_was_slept_through() {
    let source = held(APPROVED, ON_REJECTED);
    let mut bench = with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    bench.approve("bob").unwrap();
    bench.sleep(hours(24 * 3));
    bench.advance(SignedDuration::ZERO);
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(last(&bench, "window.awaited")["opens"], "2026-01-13T22:00:00Z");
}

#[test]
fn a_window_is_overridden_by_those_who_may_with_a_reason() {
    let hold = "{ approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester], \
        amended: keep }, window: { in: calendar:maintenance, override: [role:board, member:ada] } }";
    let source = held(hold, ON_REJECTED);
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    let view = bench.view();
    let window = view.holds[0].conditions.iter().find(|one| one.kind == "window").unwrap();
    let could: Vec<&str> = window.candidates.iter().map(|one| one.member.as_str()).collect();
    assert_eq!(could, ["dora", "eve"], "nobody overrides the window of their own run");

    refused(bench.act("bob", overriding("now")), RefusalCode::NotEligible);
    refused(bench.act("ada", overriding("now")), RefusalCode::SelfApproval);
    refused(bench.act("dora", overriding(" ")), RefusalCode::InvalidInput);
    refused(bench.act("zoe", overriding("now")), RefusalCode::NotMember);
    bench.act("dora", overriding("the pager went off")).unwrap();
    refused(bench.act("eve", overriding("me too")), RefusalCode::NotAwaited);
    assert_eq!(bench.status(), RunStatus::Held, "nobody has approved");
    let event = last(&bench, "window.overridden");
    assert_eq!(event["member"], "dora");
    assert_eq!(event["roles"], json!(["board"]));
    assert_eq!(event["opens"], "2026-01-06T22:00:00Z");
    bench.approve("bob").unwrap();
    assert!(is_done(&bench));
    assert!(!bench.types().contains(&"window.opened".to_owned()), "it never looks open");

    // What was overridden is not what is done after an amendment.
    let source = source.replace("start:", "input: { type: object }\nstart:");
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    bench.act("dora", overriding("the pager went off")).unwrap();
    let amend = Action::Amend { input: json!({ "more": 1 }), reason: "more".to_owned() };
    bench.act("ada", amend).unwrap();
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), RunStatus::Held);

    // Where nobody may, nobody may.
    let mut bench =
        with(&held(APPROVED, ON_REJECTED), &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)]);
    let refusal = refused(bench.act("dora", overriding("now")), RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["its definition would have to say who: `override`"]);
}

#[test]
fn who_submitted_a_run_overrides_no_window_of_it_unless_the_definition_says_so() {
    let hold = |not: &str| {
        let window = format!("{{ in: calendar:maintenance, override: member:ada{not} }}");
        held(&format!("{{ window: {window}, expires: 30d }}"), "expired: lapsed")
    };
    let mut bench = with(&hold(""), &[("maintenance", MAINTENANCE)]);
    let refusal = refused(bench.act("ada", overriding("now")), RefusalCode::SelfApproval);
    assert_eq!(refusal.needed, ["somebody else whom `override` names: member ada"]);
    let mut bench = with(&hold(", not: []"), &[("maintenance", MAINTENANCE)]);
    bench.act("ada", overriding("the pager went off")).unwrap();
    assert!(is_done(&bench));

    // And so of a rollout.
    let source = ROLLOUT.replace("CLOSES", "pause").replace("role:board", "member:ada");
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    refused(bench.act("ada", overriding("now")), RefusalCode::SelfApproval);
    let source = source.replace("member:ada", "member:ada, not: [editors]");
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    bench.act("ada", overriding("now")).unwrap();
    assert_eq!(open(&bench), ["work#1/a/deploy"]);
}

#[test]
fn a_deadline_comes_before_a_window_that_opens_later() {
    let hold = "{ window: calendar:maintenance, expires: 1d }";
    let mut bench = with(&held(hold, "expired: lapsed"), &[("maintenance", MAINTENANCE)]);
    assert!(!bench.due().iter().any(|due| due.effect.as_str().contains("/window")));
    bench.advance(hours(48));
    assert_eq!(bench.status(), ended("lapsed"));
}

#[test]
fn a_run_without_windows_refuses_an_override() {
    let mut bench = submitted(&held("{ signal: { name: go } }", ""), "ada", json!({}));
    let refusal = refused(bench.act("dora", overriding("now")), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "nothing in this run waits for a window");
}

#[derive(Clone, Debug)]
enum Step {
    Approve(&'static str),
    Withdraw(&'static str),
    Override(&'static str),
    Advance(i64),
    Sleep(i64),
    Publish(&'static str, &'static str),
    Retire(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || prop::sample::select(vec!["bob", "cy", "dora"]);
    let calendar = || {
        prop::sample::select(vec![
            ("maintenance", MAINTENANCE),
            ("maintenance", MAINTENANCE_LATER),
            ("freeze", FREEZE),
            ("freeze", NO_FREEZE),
        ])
    };
    prop_oneof![
        3 => who().prop_map(Step::Approve),
        1 => who().prop_map(Step::Withdraw),
        1 => Just(Step::Override("dora")),
        4 => (0..60_i64).prop_map(Step::Advance),
        2 => (0..60_i64).prop_map(Step::Sleep),
        3 => calendar().prop_map(|(name, says)| Step::Publish(name, says)),
        1 => prop::sample::select(vec!["maintenance", "freeze"]).prop_map(Step::Retire),
    ]
}

proptest! {
    #![proptest_config(cases(64))]

    /// Whatever order things happen in: a run goes on only at a moment that its calendars, as they
    /// are at that moment, allow, or by an override.
    #[test]
    fn nothing_goes_on_through_a_closed_window(
        steps in prop::collection::vec(step(), 1..40),
        missed in any::<bool>(),
    ) {
        let missed = if missed { "missed: expire, " } else { "" };
        let hold = format!(
            "{{ approval: {{ rules: {{ peer: {{ from: role:engineer, need: 1 }} }}, expires: 60d }}, \
             window: {{ in: calendar:maintenance, {missed}override: role:board }}, \
             not_during: calendar:freeze }}"
        );
        let mut bench = with(&held(&hold, ON_MISSED), &[("maintenance", MAINTENANCE)]);
        let mut revisions = std::collections::BTreeMap::from([("maintenance", 1)]);
        for step in steps {
            match step {
                Step::Approve(who) => drop(bench.approve(who)),
                Step::Withdraw(who) => {
                    drop(bench.act(who, Action::Withdraw { hold: None, in_place_of: None, reason: None }));
                }
                Step::Override(who) => drop(bench.act(who, overriding("it burns"))),
                Step::Advance(n) => bench.advance(hours(n)),
                Step::Sleep(n) => bench.sleep(hours(n)),
                Step::Publish(name, says) => {
                    let revision = revisions.get(name).map_or(1, |revision| revision + 1);
                    bench.happens(&published(name, says, revision));
                    revisions.insert(name, revision);
                    // An engine that runs is told at once.
                    if revision % 2 == 0 {
                        bench.advance(SignedDuration::ZERO);
                    }
                }
                Step::Retire(name) => {
                    if bench.project().calendars().get(&name.parse().unwrap()).is_some() {
                        bench.happens(&retired(name));
                    }
                }
            }
            let released = bench.history().last().is_some_and(|event| {
                event.time == bench.now() && bench.status() == ended("done")
            });
            if !released {
                if bench.status() != RunStatus::Held {
                    return Ok(());
                }
                continue;
            }
            let overridden = bench.types().contains(&"window.overridden".to_owned());
            let calendars: Vec<Calendar> = ["maintenance", "freeze"]
                .iter()
                .filter_map(|name| bench.project().calendars().get(&name.parse().unwrap()))
                .map(|one| Calendar::parse("x", &one.source).unwrap())
                .collect();
            let permitted = match calendars.as_slice() {
                [maintenance, freeze] => {
                    let (maintenance, freeze) = ([maintenance.clone()], [freeze.clone()]);
                    Schedule::permitted(&maintenance, &freeze).contains(bench.now())
                }
                _ => false,
            };
            let opened = bench.history().iter().any(|event| {
                matches!(
                    DefinitionEvent::from_parts(&event.kind, &event.data),
                    Ok(DefinitionEvent::WindowOpened { .. })
                ) && event.time == bench.now()
            });
            prop_assert!(overridden || (permitted && opened), "{:?}", bench.types());
            return Ok(());
        }
    }
}
