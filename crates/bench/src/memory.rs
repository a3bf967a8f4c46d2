//! Memory and disk: what many events take while they are written, when they are read, and while
//! runs wait beside them.

use crate::{
    BenchFailure, Figures, Place,
    child::{Part, Program, Report},
    resources::disk_bytes,
};

fn figures(case: &'static str, report: Report) -> Figures {
    Figures {
        workload: "memory",
        case: Some(case),
        per_second: Some(report.count as f64 / report.seconds),
        rss_bytes: report.peak_bytes,
        early_rss_bytes: report.early_peak_bytes,
        ..Figures::default()
    }
}

/// Has runs taken through an engine until there are so many events, has all events read, and has
/// so many runs submitted that wait; each by a process of its own.
///
/// # Errors
/// See [`BenchFailure`].
pub async fn memory(
    place: &Place,
    program: &Program,
    events: u64,
    runs: u32,
) -> Result<Vec<Figures>, BenchFailure> {
    let data = place.room("memory")?.join("data");
    let written = program.run(&Part::Write { data: data.clone(), events }).await?;
    let disk_bytes = disk_bytes(&data.join("log"))?;
    let read = program.run(&Part::Scan { data: data.clone() }).await?;
    let waiting = program.run(&Part::Wait { data, runs }).await?;
    Ok(vec![
        Figures {
            events: Some(written.count),
            json_bytes: Some(read.json_bytes),
            disk_bytes: Some(disk_bytes),
            disk_ratio: Some(disk_bytes as f64 / read.json_bytes as f64),
            ..figures("write", written)
        },
        Figures { events: Some(read.count), ..figures("scan", read) },
        Figures { runs: Some(waiting.count), ..figures("wait", waiting) },
    ])
}
