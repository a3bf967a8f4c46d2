//! What was measured, as it is told.

use serde::Serialize;

use crate::Measured;

/// What was measured. A figure that a workload does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Which workload.
    pub workload: &'static str,
    /// What of the workload, where it has several parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<&'static str>,
    /// How many events there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// How many wrote at once, or how many runs were under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writers: Option<u32>,
    /// The mean length of what was made durable each time, in bytes of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_bytes: Option<u64>,
    /// How many events or commands were done in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// How many a plain file took in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_per_second: Option<f64>,
    /// `per_second` by `raw_per_second`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// How long one took, in microseconds: half of them no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    /// The same for 99 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// How long the plain file took for a batch, in microseconds: half of them no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_p50_us: Option<f64>,
    /// The memory that the process had at most, resident, in bytes. Only Linux tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    /// The same when a quarter of the events were there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_rss_bytes: Option<u64>,
    /// How many runs there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<u64>,
    /// What the events take as JSON, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_bytes: Option<u64>,
    /// What the log takes on the disk, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// `disk_bytes` by `json_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_ratio: Option<f64>,
    /// What of `disk_bytes` is not sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail_bytes: Option<u64>,
    /// `p50_us` by that of an empty log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_ratio: Option<f64>,
}

impl Figures {
    /// Figures of what `writers` did, beside the limit.
    #[must_use]
    pub fn against(
        workload: &'static str,
        writers: u32,
        ours: &Measured,
        limit: &Measured,
    ) -> Self {
        Self {
            workload,
            writers: Some(writers),
            per_second: Some(ours.per_second()),
            raw_per_second: Some(limit.per_second()),
            ratio: Some(ours.per_second() / limit.per_second()),
            p50_us: Some(ours.quantile_us(0.5)),
            p99_us: Some(ours.quantile_us(0.99)),
            raw_p50_us: Some(limit.quantile_us(0.5)),
            ..Self::default()
        }
    }
}
