//! Writes families of metrics: a name with its help and type, and a sample for each set of labels.

use std::collections::HashMap;
use std::fmt;

use acklog_types::DurationCounts;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder,
    NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

/// A label with its value.
pub(super) type Label<'a> = (&'static str, &'a str);

/// Exemplars, of which there are none.
type Exemplars = HashMap<usize, Exemplar<NoLabelSet, f64>>;

/// Writes families, each with its name as scrapes show it: with its unit, and `_total` or `_info`.
pub(super) struct Families<'a>(DescriptorEncoder<'a>);

impl<'a> Families<'a> {
    /// Creates a writer of families to an encoder.
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes a number.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.gauge_if_known(name, help, Some(value))
    }

    /// Writes a number, without a sample where it is not known.
    pub(super) fn gauge_if_known(
        &mut self,
        name: &str,
        help: &str,
        value: Option<impl EncodeGaugeValue>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |mut family| {
            value.map_or(Ok(()), |value| family.encode_gauge(&value))
        })
    }

    /// Writes numbers by a label.
    pub(super) fn gauges<'l, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Label<'l>, V)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |mut family| {
            rows.into_iter()
                .try_for_each(|(label, value)| family.encode_family(&[label])?.encode_gauge(&value))
        })
    }

    /// Writes a number that only grows.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |mut family| count(&mut family, &value))
    }

    /// Writes numbers that only grow, by labels.
    pub(super) fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |mut family| {
            rows.into_iter()
                .try_for_each(|(labels, value)| count(&mut family.encode_family(&labels)?, &value))
        })
    }

    /// Writes counts of durations.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        counts: &DurationCounts,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, |mut family| {
            encode_durations(&mut family, counts)
        })
    }

    /// Writes counts of durations by a label.
    pub(super) fn histograms<'l>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Label<'l>, &'l DurationCounts)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, |mut family| {
            rows.into_iter().try_for_each(|(label, counts)| {
                encode_durations(&mut family.encode_family(&[label])?, counts)
            })
        })
    }

    /// Writes facts that are text, as labels.
    pub(super) fn info(
        &mut self,
        name: &str,
        help: &str,
        labels: &impl EncodeLabelSet,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Info, |mut family| family.encode_info(labels))
    }

    fn family(
        &mut self,
        name: &str,
        help: &str,
        metric_type: MetricType,
        samples: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let (stem, unit) = parts(name);
        samples(self.0.encode_descriptor(stem, help, unit.as_ref(), metric_type)?)
    }
}

/// Returns the parts of a name as the encoder takes them: without its unit, and without what the
/// encoder adds to the name of each sample.
fn parts(name: &str) -> (&str, Option<Unit>) {
    let name = ["_total", "_info"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let units = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)];
    let mut found =
        units.into_iter().filter_map(|(end, unit)| Some((name.strip_suffix(end)?, unit)));
    found.next().map_or((name, None), |(stem, unit)| (stem, Some(unit)))
}

fn count(family: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    family.encode_counter::<NoLabelSet, _, f64>(value, None)
}

fn encode_durations(family: &mut MetricEncoder<'_>, counts: &DurationCounts) -> fmt::Result {
    let seconds =
        |bound: Option<std::time::Duration>| bound.map_or(f64::INFINITY, |b| b.as_secs_f64());
    let buckets: Vec<(f64, u64)> =
        counts.buckets().map(|(bound, count)| (seconds(bound), count)).collect();
    let (sum, none) = (counts.total().as_secs_f64(), None::<&Exemplars>);
    family.encode_histogram(sum, counts.count(), &buckets, none)
}
