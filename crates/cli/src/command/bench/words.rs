//! Figures as people read them: a title that says what was done, a table, and what its columns mean.

use holdpoint_bench::Figures;

use crate::{arguments::bench::Workload, output::table};

/// A column's name, and what it shows of a line.
type Column = (&'static str, fn(&Figures) -> String);

const APPEND: &[Column] = &[
    ("WRITERS", writers),
    ("EVENTS/S", per_second),
    ("FILE/S", raw_per_second),
    ("RATIO", ratio),
    ("P50", p50),
    ("P99", p99),
    ("FILE P50", raw_p50),
];

const FLOW: &[Column] = &[
    ("RUNS", writers),
    ("COMMANDS/S", per_second),
    ("FILE/S", raw_per_second),
    ("RATIO", ratio),
    ("P50", p50),
    ("P99", p99),
    ("FILE P50", raw_p50),
];

const REPLAY: &[Column] = &[
    ("HISTORY", case),
    ("EVENTS", events),
    ("BYTES EACH", event_bytes),
    ("EVENTS/S", per_second),
    ("P50", p50),
    ("P99", p99),
];

const OPEN: &[Column] = &[
    ("LOG", case),
    ("EVENTS", events),
    ("DISK", |one| size(one.disk_bytes)),
    ("TAIL", |one| size(one.tail_bytes)),
    ("OPENED IN", p50),
    ("× EMPTY", |one| times(one.empty_ratio)),
    ("TAIL READ IN", raw_p50),
];

const MEMORY: &[Column] = &[
    ("PART", case),
    ("EVENTS", events),
    ("RUNS", |one| number(one.runs.map(|runs| runs as f64))),
    ("A SECOND", per_second),
    ("PEAK", |one| one.rss_bytes.map_or_else(|| "not measured".to_owned(), bytes)),
    ("AT A QUARTER", |one| size(one.early_rss_bytes)),
    ("JSON", |one| size(one.json_bytes)),
    ("DISK", |one| size(one.disk_bytes)),
    ("× JSON", |one| times(one.disk_ratio)),
];

/// The workload's name, as it is typed.
pub(super) const fn name(workload: Workload) -> &'static str {
    match workload {
        Workload::Append => "append",
        Workload::Flow => "flow",
        Workload::Replay => "replay",
        Workload::Open => "open",
        Workload::Memory => "memory",
    }
}

/// What a workload came to.
pub(super) fn section(workload: Workload, figures: &[Figures]) -> String {
    let columns = match workload {
        Workload::Append => APPEND,
        Workload::Flow => FLOW,
        Workload::Replay => REPLAY,
        Workload::Open => OPEN,
        Workload::Memory => MEMORY,
    };
    let head: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let rows = figures.iter().map(|one| columns.iter().map(|(_, show)| show(one)).collect());
    let (title, notes) = meaning(workload, figures);
    let mut text = format!("{}: {title}\n\n", name(workload));
    for line in table(&head, rows).lines() {
        text.push_str(&format!("  {line}\n"));
    }
    for note in notes {
        text.push_str(&format!("\n  {note}"));
    }
    format!("{text}\n\n")
}

/// What was done, and what the columns mean.
fn meaning(workload: Workload, figures: &[Figures]) -> (String, &'static [&'static str]) {
    let each = figures.first().and_then(|one| one.event_bytes).unwrap_or(0);
    match workload {
        Workload::Append => (
            format!("each writer appends events of {each} bytes, and waits until each is durable"),
            &[
                "FILE/S is the limit: a plain file that takes one event of each writer, then a sync",
                "P50, P99: half, or 99 of 100, were acknowledged within this time",
            ],
        ),
        Workload::Flow => (
            format!(
                "runs are submitted, approved twice and done; a command adds {each} bytes, and is \
                 answered when they are durable"
            ),
            &[
                "FILE/S is the limit: a plain file that takes as much as a command of each run, then a sync",
                "with 1 run, P50 by FILE P50 is the latency of a command against one sync",
            ],
        ),
        Workload::Replay => (
            "histories go through their definitions, on one core".to_owned(),
            &[
                "read: events as they were read, which is the definition's work; stored: they are read first",
                "P50, P99: how long the whole history took",
            ],
        ),
        Workload::Open => (
            "a log is opened whose process was killed while it wrote".to_owned(),
            &[
                "TAIL is what is not sealed; all of it is checked at opening. TAIL READ IN is the limit:",
                "its files are read and nothing else. × EMPTY: how many times what an empty log takes",
            ],
        ),
        Workload::Memory => (
            "runs fill a log; all of it is read; then runs are submitted that wait".to_owned(),
            &[
                "PEAK is the most memory, resident, that the part's process has had; AT A QUARTER: when a",
                "quarter of the events were there. DISK is what the log takes, × JSON: against its events",
            ],
        ),
    }
}

fn writers(one: &Figures) -> String {
    number(one.writers.map(f64::from))
}

fn case(one: &Figures) -> String {
    one.case.unwrap_or_default().to_owned()
}

fn events(one: &Figures) -> String {
    number(one.events.map(|events| events as f64))
}

fn event_bytes(one: &Figures) -> String {
    number(one.event_bytes.map(|bytes| bytes as f64))
}

fn per_second(one: &Figures) -> String {
    number(one.per_second)
}

fn raw_per_second(one: &Figures) -> String {
    number(one.raw_per_second)
}

fn ratio(one: &Figures) -> String {
    times(one.ratio)
}

fn p50(one: &Figures) -> String {
    one.p50_us.map(time).unwrap_or_default()
}

fn p99(one: &Figures) -> String {
    one.p99_us.map(time).unwrap_or_default()
}

fn raw_p50(one: &Figures) -> String {
    one.raw_p50_us.map(time).unwrap_or_default()
}

fn times(ratio: Option<f64>) -> String {
    ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default()
}

fn size(number: Option<u64>) -> String {
    number.map(bytes).unwrap_or_default()
}

/// A number without a fraction, its digits in groups of three.
fn number(number: Option<f64>) -> String {
    let digits = number.map(|number| format!("{number:.0}")).unwrap_or_default();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time in the unit that suits it.
fn time(microseconds: f64) -> String {
    match microseconds {
        short if short < 10.0 => format!("{short:.1} µs"),
        short if short < 1_000.0 => format!("{short:.0} µs"),
        middle if middle < 1_000_000.0 => format!("{:.1} ms", middle / 1_000.0),
        long => format!("{:.1} s", long / 1_000_000.0),
    }
}

/// So many bytes in the unit that suits them.
fn bytes(number: u64) -> String {
    let number = number as f64;
    match number {
        few if few < 1e6 => format!("{:.0} kB", few / 1e3),
        some if some < 1e9 => format!("{:.1} MB", some / 1e6),
        many => format!("{:.2} GB", many / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn figures_have_the_unit_that_suits_them() {
        for (microseconds, expected) in [
            (0.84, "0.8 µs"),
            (12.0, "12 µs"),
            (999.4, "999 µs"),
            (1_040.0, "1.0 ms"),
            (2_500_000.0, "2.5 s"),
        ] {
            assert_eq!(time(microseconds), expected);
        }
        for (amount, expected) in
            [(0, "0 kB"), (4_096, "4 kB"), (1_500_000, "1.5 MB"), (2_340_000_000, "2.34 GB")]
        {
            assert_eq!(bytes(amount), expected);
        }
        for (amount, expected) in
            [(0.0, "0"), (999.0, "999"), (1_000.4, "1,000"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(number(Some(amount)), expected);
        }
        assert_eq!(number(None), "");
    }

    #[test]
    fn a_section_says_what_its_figures_mean() {
        let one = |writers| Figures {
            workload: "append",
            writers: Some(writers),
            event_bytes: Some(347),
            per_second: Some(4_012.3),
            raw_per_second: Some(6_100.0),
            ratio: Some(0.6577),
            p50_us: Some(230.0),
            p99_us: Some(1_500.0),
            raw_p50_us: Some(160.0),
            ..Figures::default()
        };
        assert_snapshot!(section(Workload::Append, &[one(1), one(1024)]), @"
        append: each writer appends events of 347 bytes, and waits until each is durable

          WRITERS  EVENTS/S  FILE/S  RATIO  P50     P99     FILE P50
          1        4,012     6,100   0.66   230 µs  1.5 ms  160 µs
          1,024    4,012     6,100   0.66   230 µs  1.5 ms  160 µs

          FILE/S is the limit: a plain file that takes one event of each writer, then a sync
          P50, P99: half, or 99 of 100, were acknowledged within this time
        ");
        let one = Figures {
            workload: "memory",
            case: Some("write"),
            events: Some(100_000),
            per_second: Some(40_000.0),
            json_bytes: Some(50_000_000),
            disk_bytes: Some(20_000_000),
            disk_ratio: Some(0.4),
            ..Figures::default()
        };
        let text = section(Workload::Memory, &[one]);
        assert!(text.contains("not measured"), "{text}");
    }
}
