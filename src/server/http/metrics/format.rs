//! The two formats of a scrape, and the one that a client prefers.

use std::fmt;

use hyper::header::HeaderValue;
use mediatype::names::{APPLICATION, PLAIN, TEXT};
use mediatype::{MediaTypeList, Name};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use super::families::Families;
use super::snapshot::{NodeMeasures, Snapshot};
use super::{master, node, process, secondary};
use crate::server::http::media_weight::MediaWeight;

const OPENMETRICS_TEXT: Name<'static> = Name::new_unchecked("openmetrics-text");

/// The format of the answer to a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetricsFormat {
    /// OpenMetrics text 1.0.
    OpenMetrics,
    /// The text format of Prometheus, version 0.0.4.
    PrometheusText,
}

impl MetricsFormat {
    /// Returns the format for a client with these headers `Accept`: OpenMetrics, unless it prefers
    /// plain text.
    pub(super) fn by<'a>(headers: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let (mut open, mut plain) = (MediaWeight::default(), MediaWeight::default());
        for header in headers {
            for range in MediaTypeList::new(header.to_str().unwrap_or_default()).flatten() {
                open.apply(&range, (APPLICATION, OPENMETRICS_TEXT));
                plain.apply(&range, (TEXT, PLAIN));
            }
        }
        if plain.get() > open.get() { Self::PrometheusText } else { Self::OpenMetrics }
    }

    /// Returns the content type of the answer.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::PrometheusText => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// Returns the text of a scrape.
pub(super) fn render(snapshot: Snapshot, format: MetricsFormat) -> String {
    let (mut registry, mut out) = (Registry::default(), String::new());
    registry.register_collector(Box::new(snapshot));
    let written = match format {
        MetricsFormat::OpenMetrics => text::encode(&mut out, &registry),
        MetricsFormat::PrometheusText => prometheus_text::encode(&mut out, &registry),
    };
    written.expect("a string takes any text");
    out
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Families::new(encoder);
        node::write_log(&mut out, &self.node)?;
        match &self.node {
            NodeMeasures::Master(measures) => {
                master::write(&mut out, measures, &self.http.sums)?;
            }
            NodeMeasures::Secondary(measures) => secondary::write(&mut out, &measures.health)?,
        }
        node::write_rest(&mut out, self)?;
        process::write(&mut out, &self.process)
    }
}

#[cfg(test)]
mod tests;
