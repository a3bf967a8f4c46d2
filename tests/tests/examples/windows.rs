//! Examples of what is recorded of windows, and of times that are counted in working time.

use std::sync::Arc;

use holdpoint_core::Digest;
use holdpoint_definition::{
    AskedTimes, DefinitionEvent, Outlook, SeenCalendar,
    calendar::{CalendarRef, Window},
};
use serde_json::json;

use super::text;

fn calendar_ref(name: &str) -> CalendarRef {
    CalendarRef { calendar: name.parse().unwrap(), digest: Digest::of(b"what it says") }
}

fn asked_times(fits_ms: Option<u64>) -> AskedTimes {
    AskedTimes {
        windows: vec!["maintenance".parse().unwrap()],
        not_during: vec!["freeze".parse().unwrap()],
        fits_ms,
    }
}

fn outlook() -> Outlook {
    let seen = |name: &str| SeenCalendar {
        calendar: name.parse().unwrap(),
        digest: Some(Digest::of(b"what it says")),
    };
    Outlook {
        calendars: vec![seen("maintenance"), seen("freeze")],
        zone_data: text("2025b"),
        opens: Some("2026-01-06T21:00:00Z".parse().unwrap()),
        closes: Some("2026-01-07T01:00:00Z".parse().unwrap()),
        looked_to: None,
        why: Some(text("the year is closed, says freeze")),
    }
}

/// An example of each, with the name of its file.
pub(crate) fn examples() -> Vec<(&'static str, DefinitionEvent)> {
    vec![
        (
            "holdpoint.hold.opened.window",
            DefinitionEvent::HoldOpened {
                hold: text("schedule"),
                digest: Digest::of(b"what is voted on"),
                rules: vec![],
                not_applicable: [].into(),
                checks: vec![],
                plans: [].into(),
                planned_of: None,
                until: None,
                deadline: Some("2026-01-09T16:00:00Z".parse().unwrap()),
                window: Some(asked_times(Some(7_200_000))),
                remind: Some("2026-01-06T16:00:00Z".parse().unwrap()),
                escalate: Some("2026-01-07T16:00:00Z".parse().unwrap()),
                counted: vec![calendar_ref("office")],
                tasks: vec![],
            },
        ),
        (
            "holdpoint.hold.reminded.by-working-time",
            DefinitionEvent::Reminded {
                hold: text("authorize"),
                reminder: 1,
                to: [].into(),
                next: Some("2026-01-07T16:00:00Z".parse().unwrap()),
                counted: vec![calendar_ref("office")],
            },
        ),
        (
            "holdpoint.run.amended.window",
            DefinitionEvent::Amended {
                hold: text("schedule"),
                input: json!({ "site": "berlin" }).into(),
                digest: Digest::of(b"what is voted on now"),
                reason: text("the other site"),
                rules: vec![],
                not_applicable: [].into(),
                checks: vec![],
                plans: [].into(),
                planned_of: None,
                until: None,
                deadline: Some("2026-01-09T16:00:00Z".parse().unwrap()),
                window: Some(asked_times(None)),
                counted: vec![calendar_ref("office")],
                kept: [].into(),
                signal_fell: false,
                risk: None,
                tasks: vec![],
            },
        ),
        (
            "holdpoint.window.awaited",
            DefinitionEvent::WindowAwaited { state: text("schedule"), outlook: outlook() },
        ),
        (
            "holdpoint.window.awaited.no-calendar",
            DefinitionEvent::WindowAwaited {
                state: text("schedule"),
                outlook: Outlook {
                    calendars: vec![SeenCalendar {
                        calendar: "maintenance".parse().unwrap(),
                        digest: None,
                    }],
                    opens: None,
                    closes: None,
                    why: Some(text("no calendar `maintenance` is published")),
                    ..outlook()
                },
            },
        ),
        (
            "holdpoint.window.awaited.never",
            DefinitionEvent::WindowAwaited {
                state: text("schedule"),
                outlook: Outlook {
                    opens: None,
                    closes: None,
                    looked_to: Some("2031-01-05T09:00:00Z".parse().unwrap()),
                    why: None,
                    ..outlook()
                },
            },
        ),
        (
            "holdpoint.window.opened",
            DefinitionEvent::WindowOpened {
                state: text("schedule"),
                window: Window {
                    calendars: vec![calendar_ref("maintenance"), calendar_ref("freeze")],
                    zone_data: text("2025b"),
                    opens: Some("2026-01-06T21:00:00Z".parse().unwrap()),
                    closes: Some("2026-01-07T01:00:00Z".parse().unwrap()),
                },
            },
        ),
        (
            "holdpoint.window.overridden",
            DefinitionEvent::WindowOverridden {
                state: text("schedule"),
                member: "grace.hopper@navy".parse().unwrap(),
                roles: ["change-manager".parse().unwrap()].into(),
                reason: text("the pager went off"),
                outlook: outlook(),
            },
        ),
        (
            "holdpoint.rollout.started.window",
            DefinitionEvent::RolloutStarted {
                plan: None,
                state: text("implement"),
                targets: vec![text("web-1:8080")].into(),
                waves: vec![1].into(),
                check: None,
                selector: None,
                gates: Arc::new(vec![]),
                switch: false,
                window: Some(asked_times(None)),
            },
        ),
    ]
}
