//! Opening: a log whose process was killed while it wrote, beside an empty one.

use std::{path::Path, time::Instant};

use holdpoint::{
    log::{EventLog, Head},
    log_sled::SledLog,
};

use crate::{
    BenchFailure, Figures, Measured, Place,
    append::USER,
    child::{Part, Program},
    resources::{disk_bytes, read_all},
};

/// How often each is opened.
const OPENINGS: u32 = 5;

/// What is not sealed, in a log's directory: `docs/format.md`.
const TAIL: &str = "tail";

async fn opened(path: &Path, measured: &mut Measured) -> Result<Head, BenchFailure> {
    let before = Instant::now();
    let log = SledLog::open(path, USER).await?;
    measured.record(before.elapsed());
    Ok(log.head().await?)
}

/// Has a process write so many events, kills it with SIGKILL while it writes more, and opens the
/// log; and so on a few times. The limit is reading the files that are not sealed.
///
/// # Errors
/// See [`BenchFailure`].
pub async fn open(
    place: &Place,
    program: &Program,
    events: u64,
) -> Result<Vec<Figures>, BenchFailure> {
    let room = place.room("open")?;
    let (empty, full) = (room.join("empty"), room.join("full"));
    drop(SledLog::create(&empty, USER).await?);
    let mut of_empty = Measured::new()?;
    for _ in 0..OPENINGS {
        opened(&empty, &mut of_empty).await?;
    }
    let (mut of_full, mut reading) = (Measured::new()?, Measured::new()?);
    let (mut found, mut tail_bytes) = (0, 0);
    for _ in 0..OPENINGS {
        let mut child = program.start(&Part::Append { log: full.clone(), events })?;
        child.report().await?;
        child.kill().await?;
        tail_bytes = disk_bytes(&full.join(TAIL))?;
        let before = Instant::now();
        read_all(&full.join(TAIL))?;
        reading.record(before.elapsed());
        found = opened(&full, &mut of_full).await?.sequence.0;
    }
    let (p50_us, empty_p50_us) = (of_full.quantile_us(0.5), of_empty.quantile_us(0.5));
    Ok(vec![
        Figures {
            workload: "open",
            case: Some("empty"),
            events: Some(0),
            p50_us: Some(empty_p50_us),
            ..Figures::default()
        },
        Figures {
            workload: "open",
            case: Some("killed"),
            events: Some(found),
            p50_us: Some(p50_us),
            raw_p50_us: Some(reading.quantile_us(0.5)),
            empty_ratio: Some(p50_us / empty_p50_us),
            disk_bytes: Some(disk_bytes(&full)?),
            tail_bytes: Some(tail_bytes),
            ..Figures::default()
        },
    ])
}
