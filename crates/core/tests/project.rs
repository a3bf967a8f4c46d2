//! Whose history it is: who may change a project, what it refuses, and that replay adds up.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod office;

use holdpoint_core::{
    Actor, Digest, Event, NewEvidence, NewSubstitution, Project, ProjectAction, ProjectCommand,
    ProjectEvent, Refusal, RefusalCode, Version,
    event::TypedEvent,
    project::{Member, OWNER, Qualification},
    testing::uuid,
};
use jiff::Timestamp;
use office::{Office, member, role};
use serde_json::{Value, json};

/// Sends an action that is refused, and sees to it that nothing has changed.
#[track_caller]
fn refuse(office: &mut Office, actor: &str, action: ProjectAction, code: RefusalCode) -> Refusal {
    let (before, events) = (office.made.clone(), office.history.len());
    let command = office.command(actor, action);
    let refusal = office.send(&command).unwrap_err();
    assert_eq!(refusal.code, code, "{refusal}");
    assert_eq!((&office.made, office.history.len()), (&before, events), "a refusal leaves nothing");
    refusal
}

fn add(name: &str, roles: &[&str]) -> ProjectAction {
    let roles = roles.iter().map(|one| role(one)).collect();
    ProjectAction::AddMember { member: member(name), name: None, roles }
}

fn remove(name: &str) -> ProjectAction {
    ProjectAction::RemoveMember { member: member(name) }
}

fn grant(name: &str, which: &str) -> ProjectAction {
    ProjectAction::GrantRole { member: member(name), role: role(which) }
}

fn revoke(name: &str, which: &str) -> ProjectAction {
    ProjectAction::RevokeRole { member: member(name), role: role(which) }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn qualification(domain: &str, from: Option<&str>, until: Option<&str>) -> Qualification {
    Qualification {
        domain: domain.parse().unwrap(),
        issuer: "network school".to_owned(),
        from: from.map(time),
        until: until.map(time),
        evidence: None,
    }
}

fn qualify(name: &str, domain: &str, from: Option<&str>, until: Option<&str>) -> ProjectAction {
    let qualification = qualification(domain, from, until);
    ProjectAction::Qualify { member: member(name), qualification }
}

fn disqualify(name: &str, domain: &str) -> ProjectAction {
    let (member, domain) = (member(name), domain.parse().unwrap());
    ProjectAction::Disqualify { member, domain, reason: None }
}

fn publish(name: &str, version: u32, source: &str) -> ProjectAction {
    ProjectAction::Publish {
        name: name.parse().unwrap(),
        version,
        language: "holdpoint/1".to_owned(),
        title: "A change".to_owned(),
        source: source.to_owned(),
        release: None,
    }
}

/// ada owns the project, ben is an engineer qualified in network, cy is a plain member.
fn laboratory() -> Office {
    let mut office = Office::created();
    office.accept("ada", add("ben", &["engineer"]));
    office.accept("ada", add("cy", &[]));
    office.accept("ada", qualify("ben", "network", None, None));
    office.accept("ada", publish("change", 1, "one"));
    office
}

#[test]
fn who_creates_a_project_owns_it() {
    let mut office = Office::default();
    let refusal = refuse(&mut office, "ada", add("ben", &[]), RefusalCode::NotFound);
    assert_eq!(refusal.message, "there is no project `lab`");
    assert_eq!(refusal.needed, ["create it: `holdpoint project create lab`"]);
    let create = || ProjectAction::Create { title: "A laboratory".to_owned() };
    refuse(&mut office, "engine", create(), RefusalCode::NotMember);
    assert_eq!(
        office.accept("ada", create()),
        ["holdpoint.project.created", "holdpoint.member.added", "holdpoint.role.granted"]
    );
    let project = office.project();
    assert_eq!((project.id().as_str(), project.title()), ("lab", "A laboratory"));
    assert_eq!(project.created(), office.now);
    assert_eq!(project.members().len(), 1);
    assert!(project.member(&member("ada")).unwrap().has_role(OWNER));
    for actor in ["ada", "zed"] {
        refuse(&mut office, actor, create(), RefusalCode::AlreadyExists);
    }
}

#[test]
fn only_owners_change_a_project() {
    let mut office = laboratory();
    let ask = "ask an owner of the project: ada";
    for action in [
        add("dora", &[]),
        remove("cy"),
        grant("ben", OWNER),
        revoke("ada", OWNER),
        qualify("ben", "storage", None, None),
        disqualify("ben", "network"),
        publish("change", 2, "two"),
    ] {
        let refusal = refuse(&mut office, "ben", action.clone(), RefusalCode::NotEligible);
        assert_eq!(
            refusal.message,
            "`ben` may not change the project `lab`: that takes the role `owner`"
        );
        assert_eq!(refusal.needed, [ask]);
        let refusal = refuse(&mut office, "zed", action.clone(), RefusalCode::NotMember);
        assert_eq!(refusal.message, "`zed` is not a member of the project `lab`");
        assert_eq!(refusal.needed, [ask]);
        refuse(&mut office, "engine", action, RefusalCode::NotMember);
    }
    office.accept("ada", grant("ben", OWNER));
    office.accept("ben", add("dora", &[]));
}

#[test]
fn what_cannot_be_is_refused() {
    use RefusalCode::{AlreadyExists, InvalidInput, NotFound, NotMember};
    let mut office = laboratory();
    let (from, until) = (Some("2026-02-01T00:00:00Z"), Some("2026-03-01T00:00:00Z"));
    for (action, code, message) in [
        (add("ben", &[]), AlreadyExists, "`ben` is a member already"),
        (remove("zed"), NotMember, "`zed` is not a member of the project `lab`"),
        (grant("zed", "board"), NotMember, "`zed` is not a member of the project `lab`"),
        (grant("ben", "engineer"), AlreadyExists, "`ben` holds the role `engineer` already"),
        (revoke("zed", "board"), NotMember, "`zed` is not a member of the project `lab`"),
        (revoke("ben", "board"), NotFound, "`ben` does not hold the role `board`"),
        (revoke("ben", OWNER), NotFound, "`ben` does not hold the role `owner`"),
        (
            qualify("zed", "network", None, None),
            NotMember,
            "`zed` is not a member of the project `lab`",
        ),
        (
            qualify("ben", "network", until, from),
            InvalidInput,
            "the qualification would end (2026-02-01T00:00:00Z) before it begins \
             (2026-03-01T00:00:00Z)",
        ),
        (disqualify("zed", "network"), NotMember, "`zed` is not a member of the project `lab`"),
        (disqualify("ben", "storage"), NotFound, "`ben` has no qualification in `storage`"),
        (disqualify("cy", "network"), NotFound, "`cy` has no qualification in `network`"),
    ] {
        assert_eq!(refuse(&mut office, "ada", action, code).message, message);
    }
    // A qualification that holds at no moment is none.
    refuse(&mut office, "ada", qualify("ben", "network", from, from), InvalidInput);
}

#[test]
fn a_qualification_is_shown_by_evidence_that_is_some_and_kept_with_it() {
    let file = |size, name: &str, reference: Option<&str>| NewEvidence {
        digest: Digest::of(b"certificate"),
        size,
        file: Some(name.to_owned()).filter(|name| !name.is_empty()),
        media_type: None,
        reference: reference.map(str::to_owned),
    };
    let shown = |evidence| ProjectAction::Qualify {
        member: member("cy"),
        qualification: Qualification {
            evidence: Some(evidence),
            ..qualification("network", None, None)
        },
    };
    let mut office = laboratory();
    for wrong in [
        file(Some(0), "a.pdf", None),
        file(Some(11), "a/b.pdf", None),
        file(None, "a.pdf", None),
        file(None, "", Some("file:///etc/passwd")),
    ] {
        refuse(&mut office, "ada", shown(wrong), RefusalCode::InvalidInput);
    }
    let kept = file(Some(11), "a.pdf", None);
    office.accept("ada", shown(kept.clone()));
    office.accept("ada", shown(file(None, "", Some("https://certificates.example.com/12"))));
    let held = &office.project().member(&member("cy")).unwrap().qualifications;
    assert_eq!(held.len(), 2);
    assert_eq!(held[0].evidence, Some(kept));
}

#[test]
fn a_project_keeps_an_owner() {
    let mut office = laboratory();
    for action in [remove("ada"), revoke("ada", OWNER)] {
        let refusal = refuse(&mut office, "ada", action, RefusalCode::NotEligible);
        assert_eq!(
            refusal.message,
            "`ada` is the project's last owner, and a project must have one"
        );
        assert_eq!(refusal.needed, ["grant another member the role `owner` first"]);
    }
    office.accept("ada", grant("ben", OWNER));
    office.accept("ada", revoke("ada", OWNER));
    refuse(&mut office, "ada", grant("ada", OWNER), RefusalCode::NotEligible);
    refuse(&mut office, "ben", remove("ben"), RefusalCode::NotEligible);
    office.accept("ben", remove("ada"));
    assert_eq!(office.project().members().len(), 2);
}

#[test]
fn a_member_who_leaves_takes_roles_and_qualifications_along() {
    let mut office = laboratory();
    office.accept("ada", remove("ben"));
    office.project().member(&member("ben")).unwrap_err();
    office.accept("ada", add("ben", &[]));
    let ben = office.project().member(&member("ben")).unwrap();
    assert_eq!(ben, &Member { name: "ben".to_owned(), ..Member::default() });
}

#[test]
fn a_member_begins_with_the_roles_named_each_once() {
    let mut office = Office::created();
    let roles = ["engineer", "board", "engineer"];
    assert_eq!(
        office.accept("ada", add("ben", &roles)),
        ["holdpoint.member.added", "holdpoint.role.granted", "holdpoint.role.granted"]
    );
    let ben = office.project().member(&member("ben")).unwrap();
    assert!(ben.has_role("engineer") && ben.has_role("board") && !ben.has_role(OWNER));
    assert_eq!(ben.name, "ben", "the id, where no name is given");
    let named = ProjectAction::AddMember {
        member: member("cy"),
        name: Some("Cyrus".to_owned()),
        roles: vec![],
    };
    office.accept("ada", named);
    assert_eq!(office.project().member(&member("cy")).unwrap().name, "Cyrus");
}

#[test]
fn a_qualification_holds_from_its_first_moment_until_before_its_end() {
    const FROM: &str = "2026-02-01T00:00:00Z";
    const UNTIL: &str = "2026-03-01T00:00:00Z";
    for (from, until, at, holds) in [
        (None, None, "2026-01-01T00:00:00Z", true),
        (Some(FROM), None, "2026-01-31T23:59:59.999999999Z", false),
        (Some(FROM), None, FROM, true),
        (Some(FROM), None, "2999-01-01T00:00:00Z", true),
        (None, Some(UNTIL), "1999-01-01T00:00:00Z", true),
        (None, Some(UNTIL), "2026-02-28T23:59:59.999999999Z", true),
        (None, Some(UNTIL), UNTIL, false),
        (Some(FROM), Some(UNTIL), "2026-01-31T23:59:59.999999999Z", false),
        (Some(FROM), Some(UNTIL), FROM, true),
        (Some(FROM), Some(UNTIL), "2026-02-28T23:59:59.999999999Z", true),
        (Some(FROM), Some(UNTIL), UNTIL, false),
    ] {
        let one = qualification("network", from, until);
        assert_eq!(one.is_valid(time(at)), holds, "{from:?} to {until:?} at {at}");
    }
}

#[test]
fn qualifications_in_a_domain_add_up_and_go_together() {
    let mut office = laboratory();
    office.accept("ada", disqualify("ben", "network"));
    let at = time("2026-02-01T00:00:00Z");
    let qualified = |office: &Office, domain: &str| {
        office.project().member(&member("ben")).unwrap().is_qualified(domain, at)
    };
    assert!(!qualified(&office, "network"));
    let old = qualify("ben", "network", None, Some("2026-02-01T00:00:00Z"));
    office.accept("ada", old);
    assert!(!qualified(&office, "network"));
    office.accept("ada", qualify("ben", "network", Some("2026-02-01T00:00:00Z"), None));
    office.accept("ada", qualify("ben", "storage", None, None));
    assert!(qualified(&office, "network") && qualified(&office, "storage"));
    assert!(!qualified(&office, "compute"));
    office.accept("ada", disqualify("ben", "network"));
    assert!(!qualified(&office, "network") && qualified(&office, "storage"));
}

#[test]
fn a_published_version_never_changes() {
    let mut office = laboratory();
    for (source, text, remedy) in [
        ("one", "the same", "nothing is to be done: runs can be submitted to it"),
        ("other", "another", "for example 2"),
    ] {
        let refusal =
            refuse(&mut office, "ada", publish("change", 1, source), RefusalCode::AlreadyExists);
        let message = format!("version 1 of `change` is published already, with {text} text");
        assert_eq!(refusal.message, message);
        assert!(refusal.needed[0].ends_with(remedy), "{refusal:?}");
    }
    office.accept("ada", publish("change", 10, "ten"));
    office.accept("ada", publish("change", 2, "one"));
    office.accept("ada", publish("other", 1, "one"));

    let project = office.project();
    let name = "change".parse().unwrap();
    let source = |version| project.definition(&name, version).unwrap().source.as_str();
    assert_eq!((source(Some(1)), source(Some(2)), source(None)), ("one", "one", "ten"));
    assert_eq!(project.definitions().count(), 4);
    let found = project.definition_by_digest(&Digest::of(b"ten")).unwrap();
    assert_eq!((found.reference.version, found.language.as_str()), (10, "holdpoint/1"));
    assert_eq!(project.definition_by_digest(&Digest::of(b"none")), None);

    let refusal = project.definition(&name, Some(3)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::NotFound);
    assert_eq!(refusal.needed, ["published are: change 1, change 2, change 10, other 1"]);
    let refusal = Office::created().project().definition(&name, None).unwrap_err();
    assert_eq!(refusal.needed, ["publish one: `holdpoint definitions publish FILE`"]);
}

#[test]
fn a_command_sent_twice_is_answered_from_the_first() {
    let mut office = Office::created();
    let command = office.command("ada", add("ben", &["engineer"]));
    assert_eq!(office.project().answer_to(&command).unwrap(), None);
    office.send(&command).unwrap();
    let answer = office.project().at();
    assert_eq!(answer.version, Version(5), "its last event");
    office.accept("ada", add("cy", &[]));
    assert_eq!(office.project().answer_to(&command).unwrap(), Some(answer));
    assert_eq!(office.send(&command).unwrap(), [] as [&str; 0]);
    let other = ProjectCommand { action: add("ben", &[]), ..command };
    assert_eq!(office.send(&other).unwrap_err().code, RefusalCode::CommandIdReused);
}

#[test]
fn a_stream_that_does_not_begin_a_project_is_illegal() {
    let office = laboratory();
    let first = &office.history[0];
    assert!(Project::begin(first).is_ok());
    Project::begin(&office.history[1]).unwrap_err();
    let changed = |change: fn(&mut Value)| Project::begin(&change_of(first, change)).unwrap_err();
    changed(|event| event["version"] = json!(2));
    changed(|event| event["subject"] = json!("01990000-0000-7000-8000-000000000001"));
    changed(|event| event["data"] = json!({}));
}

fn change_of(event: &Event, change: impl FnOnce(&mut Value)) -> Event {
    let mut value = serde_json::to_value(event).unwrap();
    change(&mut value);
    Event::from_bytes(value.to_string().as_bytes()).unwrap()
}

/// The event that would come next, with this type and data.
fn next(office: &Office, kind: &str, data: Value) -> Event {
    change_of(office.history.last().unwrap(), |event| {
        event["type"] = json!(kind);
        event["data"] = data;
        event["cause"] = json!(uuid(999_999));
        event["request"] = json!(Digest::of(b"what was asked"));
        for position in ["sequence", "version", "previous"] {
            event[position] = json!(event[position].as_u64().unwrap() + 1);
        }
    })
}

#[test]
fn an_event_that_cannot_follow_is_illegal() {
    let office = laboratory();
    let evolved = |event: &Event| office.project().clone().evolve(event);
    let good = next(&office, "holdpoint.member.removed", json!({ "member": "cy" }));
    evolved(&good).unwrap();
    for (member, value) in [
        ("version", json!(good.version.0 + 1)),
        ("source", json!("another-lab")),
        ("subject", json!("01990000-0000-7000-8000-000000000001")),
        ("request", Value::Null),
        ("cause", json!(office.history.last().unwrap().cause)),
    ] {
        evolved(&change_of(&good, |event| event[member] = value)).expect_err(member);
    }
    let network = json!({ "domain": "network", "issuer": "x" });
    let published = |version: u32, source: &str, digest: Digest| {
        json!({
            "name": "change", "version": version, "digest": digest, "language": "holdpoint/1",
            "title": "A change", "source": source,
        })
    };
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    evolved(&next(&office, "holdpoint.definition.published", published(2, "two", two))).unwrap();
    for (kind, data) in [
        ("holdpoint.project.created", json!({ "title": "again" })),
        ("holdpoint.member.added", json!({ "member": "ben", "name": "ben" })),
        ("holdpoint.member.added", json!({ "member": "Ben!", "name": "ben" })),
        ("holdpoint.member.removed", json!({ "member": "zed" })),
        ("holdpoint.member.removed", json!({})),
        ("holdpoint.role.granted", json!({ "member": "zed", "role": "board" })),
        ("holdpoint.role.granted", json!({ "member": "ben", "role": "engineer" })),
        ("holdpoint.role.revoked", json!({ "member": "zed", "role": "board" })),
        ("holdpoint.role.revoked", json!({ "member": "ben", "role": "board" })),
        ("holdpoint.qualification.recorded", json!({ "member": "zed", "qualification": network })),
        ("holdpoint.qualification.revoked", json!({ "member": "zed", "domain": "network" })),
        ("holdpoint.qualification.revoked", json!({ "member": "ben", "domain": "storage" })),
        ("holdpoint.definition.published", published(2, "two", one)),
        ("holdpoint.definition.published", published(1, "one", one)),
        ("holdpoint.definition.published", published(1, "two", two)),
        ("holdpoint.project.renamed", json!({})),
        ("holdpoint.run.started", json!({})),
    ] {
        let failure = evolved(&next(&office, kind, data.clone()))
            .err()
            .unwrap_or_else(|| panic!("{kind} {data} should not follow"));
        assert_eq!(failure.event, kind);
    }
}

/// What an auditor reads: the event's actor is the member whom the command came from.
#[test]
fn events_say_who_caused_them() {
    let office = laboratory();
    let event = office.history.last().unwrap();
    assert_eq!(event.actor, Actor::Member(member("ada")));
    assert_eq!((event.subject, event.definition), (None, None));
    let typed = ProjectEvent::from_parts(&event.kind, &event.data).unwrap();
    assert!(matches!(typed, ProjectEvent::DefinitionPublished { version: 1, .. }), "{typed:?}");
}

fn calendar(name: &str, says: &str) -> ProjectAction {
    ProjectAction::PublishCalendar {
        calendar: name.parse().unwrap(),
        digest: Digest::of(says.as_bytes()),
        title: None,
        source: says.to_owned(),
    }
}

fn retire(name: &str, reason: &str) -> ProjectAction {
    ProjectAction::RetireCalendar { calendar: name.parse().unwrap(), reason: reason.to_owned() }
}

#[test]
fn a_calendar_is_replaced_retired_and_published_again() {
    let mut office = Office::created();
    let name = "maintenance".parse().unwrap();
    let seen = |digest: Option<&str>| {
        [("maintenance".parse().unwrap(), digest.map(|says| Digest::of(says.as_bytes())))].into()
    };
    let found = |office: &Office| {
        let project = office.project();
        project.calendars().get(&"maintenance".parse().unwrap()).map(|one| one.revision)
    };
    assert!(!office.project().calendars().differ(&seen(None)));
    office.accept("ada", calendar("maintenance", "one"));
    assert_eq!(found(&office), Some(1));
    assert!(office.project().calendars().differ(&seen(None)));
    assert!(!office.project().calendars().differ(&seen(Some("one"))));

    let same =
        refuse(&mut office, "ada", calendar("maintenance", "one"), RefusalCode::AlreadyExists);
    assert_eq!(same.message, "the calendar `maintenance` is published already, and says the same");
    office.accept("ada", calendar("maintenance", "two"));
    assert_eq!(found(&office), Some(2));
    assert!(office.project().calendars().differ(&seen(Some("one"))));

    refuse(&mut office, "ada", retire("maintenance", " "), RefusalCode::InvalidInput);
    let absent = refuse(&mut office, "ada", retire("freeze", "over"), RefusalCode::NotFound);
    assert_eq!(absent.needed, ["published are: maintenance"]);
    office.accept("ada", retire("maintenance", "The site is closed"));
    assert_eq!(found(&office), None);
    assert!(office.project().calendars().find(&name).is_err());
    refuse(&mut office, "ada", retire("maintenance", "again"), RefusalCode::NotFound);

    // What says the same as the last is published again when that was taken away.
    office.accept("ada", calendar("maintenance", "two"));
    assert_eq!(found(&office), Some(3));
}

#[test]
fn only_owners_publish_calendars_and_none_is_too_long() {
    let mut office = Office::created();
    office.accept("ada", add("grace", &["engineer"]));
    refuse(&mut office, "grace", calendar("maintenance", "one"), RefusalCode::NotEligible);
    let long = "x".repeat(holdpoint_core::calendars::CALENDAR_BYTES_MAX + 1);
    refuse(&mut office, "ada", calendar("maintenance", &long), RefusalCode::InvalidInput);
}

fn baseline(source: &str, reason: &str) -> ProjectAction {
    ProjectAction::PublishBaseline {
        baseline: "rules".parse().unwrap(),
        title: "Rules".to_owned(),
        source: source.to_owned(),
        reason: reason.to_owned(),
    }
}

fn withdraw_baseline(reason: &str) -> ProjectAction {
    ProjectAction::WithdrawBaseline { reason: reason.to_owned() }
}

#[test]
fn one_baseline_is_in_force_and_all_are_kept() {
    let mut office = Office::created();
    office.accept("ada", add("grace", &["engineer"]));
    office.accept("ada", add("lou", &["baseline"]));
    let no = refuse(&mut office, "grace", baseline("one", "x"), RefusalCode::NotEligible);
    assert!(no.message.contains("takes the role `baseline` or `owner`"), "{no}");
    refuse(&mut office, "lou", add("max", &[]), RefusalCode::NotEligible);
    refuse(&mut office, "lou", baseline("one", "  "), RefusalCode::InvalidInput);
    let long = "x".repeat(holdpoint_core::baseline::BASELINE_BYTES_MAX + 1);
    refuse(&mut office, "lou", baseline(&long, "x"), RefusalCode::InvalidInput);
    refuse(&mut office, "lou", withdraw_baseline("x"), RefusalCode::NotFound);

    let published = office.accept("lou", baseline("one", " an audit "));
    assert_eq!(published, ["holdpoint.baseline.published"]);
    refuse(&mut office, "ada", baseline("one", "x"), RefusalCode::AlreadyExists);
    office.accept("ada", baseline("two", "another audit"));
    let in_force = |office: &Office| {
        office.project().baseline().map(|one| (one.reference.revision, one.source.clone()))
    };
    assert_eq!(in_force(&office), Some((2, "two".to_owned())));
    refuse(&mut office, "grace", withdraw_baseline("x"), RefusalCode::NotEligible);
    refuse(&mut office, "lou", withdraw_baseline(" "), RefusalCode::InvalidInput);
    let withdrawn = office.accept("lou", withdraw_baseline("it was a trial"));
    assert_eq!(withdrawn, ["holdpoint.baseline.withdrawn"]);
    assert_eq!(in_force(&office), None);
    refuse(&mut office, "lou", withdraw_baseline("again"), RefusalCode::NotFound);

    // Those that were are found by what runs name them by, and one may come back.
    let project = office.project();
    let one = project.baselines().by_digest(&holdpoint_core::Digest::of(b"one")).unwrap();
    assert_eq!((one.reference.revision, one.reason.as_str()), (1, "an audit"));
    assert_eq!(project.baselines().find(3).unwrap_err().code, RefusalCode::NotFound);
    let ends: Vec<bool> = project.baselines().iter().map(|(_, end)| end.is_some()).collect();
    assert_eq!(ends, [false, true]);
    office.accept("lou", baseline("two", "back"));
    assert_eq!(in_force(&office), Some((3, "two".to_owned())));
}

fn impose(reason: &str) -> ProjectAction {
    let scope = holdpoint_core::LockdownScope::default();
    ProjectAction::ImposeLockdown { scope, reason: reason.to_owned() }
}

fn release(lockdown: u32, reason: &str) -> ProjectAction {
    ProjectAction::ReleaseLockdown { lockdown, reason: reason.to_owned() }
}

#[test]
fn lockdowns_are_numbered_and_each_is_released_once() {
    let mut office = Office::created();
    office.accept("ada", add("grace", &["engineer"]));
    office.accept("ada", add("lou", &["lockdown"]));
    let no = refuse(&mut office, "grace", impose("fire"), RefusalCode::NotEligible);
    assert!(no.message.contains("takes the role `lockdown` or `owner`"), "{no}");
    refuse(&mut office, "lou", add("max", &[]), RefusalCode::NotEligible);

    assert_eq!(office.accept("lou", impose(" fire ")), ["holdpoint.lockdown.imposed"]);
    office.accept("ada", impose("flood"));
    let all = |office: &Office| -> Vec<(u32, String, String)> {
        let lockdowns = office.project().lockdowns();
        lockdowns.iter().map(|one| (one.lockdown, one.reason.clone(), one.by.to_string())).collect()
    };
    let expected = |n: u32, why: &str, by: &str| (n, why.to_owned(), by.to_owned());
    let (fire, flood) = (expected(1, "fire", "member:lou"), expected(2, "flood", "member:ada"));
    assert_eq!(all(&office), [fire, flood.clone()]);

    refuse(&mut office, "grace", release(1, "out"), RefusalCode::NotEligible);
    refuse(&mut office, "lou", release(1, " "), RefusalCode::InvalidInput);
    assert_eq!(office.accept("lou", release(1, "out")), ["holdpoint.lockdown.released"]);
    assert_eq!(all(&office), [flood]);
    let no = refuse(&mut office, "lou", release(1, "again"), RefusalCode::NotFound);
    assert_eq!(no.needed, ["in force: 2"]);
    let seen = |lockdown: u32| holdpoint_core::Seen {
        lockdowns: [lockdown].into(),
        ..holdpoint_core::Seen::default()
    };
    assert!(office.project().differs(&seen(1)));
    assert!(!office.project().differs(&seen(2)));
    // A number is never given again.
    office.accept("ada", release(2, "dry"));
    office.accept("ada", impose("storm"));
    assert_eq!(all(&office), [expected(3, "storm", "member:ada")]);
}

#[test]
fn a_lockdown_says_why_and_means_what_can_be() {
    let mut office = Office::created();
    refuse(&mut office, "ada", impose("  "), RefusalCode::InvalidInput);
    refuse(&mut office, "ada", impose(&"x".repeat(1_025)), RefusalCode::InvalidInput);
    let scope = serde_json::from_value(serde_json::json!({
        "definitions": ["change", "other"], "except": ["change"]
    }))
    .unwrap();
    let both = ProjectAction::ImposeLockdown { scope, reason: "x".to_owned() };
    refuse(&mut office, "ada", both.clone(), RefusalCode::NotFound);
    office.accept("ada", publish("change", 1, "one"));
    office.accept("ada", publish("other", 1, "one"));
    refuse(&mut office, "ada", both, RefusalCode::InvalidInput);
}

#[test]
fn what_a_run_releases_is_told_by_its_definition_state_and_digest() {
    let rule = holdpoint_core::ReleaseRule {
        definition: "release".parse().unwrap(),
        states: ["released".to_owned()].into(),
    };
    let digest = Digest::of(b"source");
    let (name, other) = ("change".parse().unwrap(), "other".parse().unwrap());
    let check = |definition, state, input: serde_json::Value| {
        let run = holdpoint_core::RunId::from_uuid(holdpoint_core::testing::uuid(1));
        let releasing = holdpoint_core::Releasing { run, definition, state, input: &input };
        rule.check(&releasing, &name, 2, &digest).map_err(|refusal| {
            assert_eq!(refusal.code, RefusalCode::NotReleased);
            refusal.message
        })
    };
    let whole = || serde_json::json!({ "digest": digest, "definition": "change", "version": 2 });
    let without = |key: &str| {
        let mut input = whole();
        input.as_object_mut().unwrap().remove(key);
        input
    };
    let with = |key: &str, value: serde_json::Value| {
        let mut input = whole();
        input[key] = value;
        input
    };
    let release = &rule.definition;
    for input in [whole(), without("definition"), without("version")] {
        assert_eq!(check(release, "released", input.clone()), Ok(()), "{input}");
    }
    for (definition, state, input, says) in [
        (&other, "released", whole(), "it is one of `other`"),
        (release, "review", whole(), "it is in `review`"),
        (release, "released", without("digest"), "its input has no `digest`"),
        (release, "released", with("digest", "sha256:0".into()), "its `digest` is sha256:0"),
        (release, "released", with("definition", "other".into()), "its `definition` is not"),
        (release, "released", with("version", 3.into()), "its `version` is not 2"),
        (release, "released", with("version", "2".into()), "its `version` is not 2"),
    ] {
        let found = check(definition, state, input).unwrap_err();
        assert!(found.contains(says), "{found}");
    }
}

#[test]
fn what_is_asked_of_definitions_changes_with_a_reason() {
    let mut office = laboratory();
    let govern = |states: &[&str], reason: &str| ProjectAction::GovernPublishing {
        rule: (!states.is_empty()).then(|| holdpoint_core::ReleaseRule {
            definition: "release".parse().unwrap(),
            states: states.iter().map(|&state| state.to_owned()).collect(),
        }),
        reason: reason.to_owned(),
    };
    refuse(&mut office, "ben", govern(&["released"], "x"), RefusalCode::NotEligible);
    refuse(&mut office, "ada", govern(&["released"], "x"), RefusalCode::NotFound);
    office.accept("ada", publish("release", 1, "one"));
    refuse(&mut office, "ada", govern(&["released"], " "), RefusalCode::InvalidInput);
    refuse(&mut office, "ada", govern(&[" "], "x"), RefusalCode::InvalidInput);
    refuse(&mut office, "ada", govern(&[], "x"), RefusalCode::AlreadyExists);
    office.accept("ada", govern(&["released"], "four eyes"));
    assert!(office.project().releases().is_some());
    let no = refuse(&mut office, "ada", publish("change", 2, "two"), RefusalCode::NotReleased);
    assert!(no.needed[0].contains("a run of `release` in `released`"), "{no:?}");
    office.accept("ada", govern(&[], "a trial"));
    office.accept("ada", publish("change", 2, "two"));
}

fn name(member: &str, substitute: &str, until: &str) -> NewSubstitution {
    NewSubstitution {
        member: self::member(member),
        substitute: self::member(substitute),
        from: None,
        until: time(until),
        roles: [].into(),
        reason: Some(" on leave ".to_owned()),
    }
}

#[test]
fn members_name_who_votes_in_their_place_and_so_do_owners() {
    let mut office = Office::created();
    for (who, roles) in [("bob", &["engineer"][..]), ("lou", &[]), ("max", &[])] {
        office.accept("ada", add(who, roles));
    }
    let asked = |asked| ProjectAction::NameSubstitute(asked);
    let until = "2026-08-01T00:00:00Z";
    let no = refuse(&mut office, "max", asked(name("bob", "max", until)), RefusalCode::NotEligible);
    assert_eq!(no.needed, ["ask `bob`, or ask an owner of the project: ada"]);
    for (wrong, code) in [
        (name("bob", "bob", until), RefusalCode::InvalidInput),
        (name("bob", "zed", until), RefusalCode::NotMember),
        (
            NewSubstitution { from: Some(time(until)), ..name("bob", "lou", until) },
            RefusalCode::InvalidInput,
        ),
        (
            NewSubstitution { roles: [role("board")].into(), ..name("bob", "lou", until) },
            RefusalCode::InvalidInput,
        ),
        (
            NewSubstitution { reason: Some("x".repeat(1_025)), ..name("bob", "lou", until) },
            RefusalCode::InvalidInput,
        ),
    ] {
        refuse(&mut office, "bob", asked(wrong), code);
    }
    assert_eq!(
        office.accept("bob", asked(name("bob", "lou", until))),
        ["holdpoint.substitute.named"]
    );
    // The same, twice, says nothing and cannot be withdrawn by who sees it once.
    let no =
        refuse(&mut office, "ada", asked(name("bob", "lou", until)), RefusalCode::AlreadyExists);
    assert!(no.needed[0].starts_with("the substitution 1 says just this"), "{no}");
    office.accept("ada", asked(name("bob", "lou", "2026-08-02T00:00:00Z")));
    office.accept("ada", ProjectAction::WithdrawSubstitute { substitution: 2, reason: None });
    let role_of = [role("engineer")].into();
    office.accept("ada", asked(NewSubstitution { roles: role_of, ..name("bob", "max", until) }));
    let all = |office: &Office| -> Vec<String> {
        let all = office.project().substitutions().iter();
        all.map(|one| format!("{}: {} for {}", one.number, one.substitute, one.member)).collect()
    };
    assert_eq!(all(&office), ["1: lou for bob", "3: max for bob"]);
    let first = office.project().substitutions().get(1).unwrap();
    assert_eq!(first.reason.as_deref(), Some("on leave"));
    for (at, valid) in [("2026-07-31T23:59:59Z", true), (until, false)] {
        assert_eq!(first.is_valid(time(at)), valid, "{at}");
    }

    let withdraw = |substitution| ProjectAction::WithdrawSubstitute { substitution, reason: None };
    refuse(&mut office, "max", withdraw(1), RefusalCode::NotEligible);
    let no = refuse(&mut office, "ada", withdraw(2), RefusalCode::NotFound);
    assert_eq!(no.needed, ["there are: 1, 3"]);
    assert_eq!(office.accept("lou", withdraw(1)), ["holdpoint.substitute.withdrawn"]);
    // A number is never given again, and who leaves stands for nobody.
    office.accept("bob", asked(name("bob", "lou", until)));
    assert_eq!(all(&office), ["3: max for bob", "4: lou for bob"]);
    office.accept("ada", remove("max"));
    assert_eq!(all(&office), ["4: lou for bob"]);
    office.accept("ada", remove("bob"));
    assert!(all(&office).is_empty());
}
