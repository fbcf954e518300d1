//! The body of injected faults.

use acklog_api as api;
use acklog_types::{DelayRange, Faults};
use serde_json::Number;

/// Returns faults as clients read them.
pub fn faults_body(faults: Faults) -> api::Faults {
    api::Faults {
        send_delay_ms: faults.send_delay.map(range),
        store_delay_ms: faults.store_delay.map(range),
        error_rate: faults.error_rate.get(),
        drop_rate: faults.drop_rate.get(),
        duplicate_rate: faults.duplicate_rate.get(),
        paused: faults.paused,
        seed: faults.seed,
    }
}

/// Returns a range in milliseconds, whole ones without a decimal point.
fn range(range: DelayRange) -> [Number; 2] {
    [range.min(), range.max()].map(|delay| match delay.as_micros() as u64 {
        micros if micros.is_multiple_of(1000) => (micros / 1000).into(),
        micros => Number::from_f64(micros as f64 / 1000.0).unwrap_or_else(|| 0.into()),
    })
}
