//! Reads the text of a scrape, and checks what holds of each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::documented::Metric;
use crate::support::get;

/// A sample.
#[derive(Debug)]
pub struct Sample {
    /// Its name, with what its type adds to that of its family.
    name: String,
    labels: BTreeMap<String, String>,
    pub value: f64,
}

/// A family: its name without `_total` and `_info`, and its type.
#[derive(Debug)]
struct Family {
    name: String,
    kind: String,
    samples: Vec<Sample>,
}

/// All that one answer shows.
#[derive(Debug)]
pub struct Scrape(Vec<Family>);

impl Sample {
    /// Parses `name{a="x",b="y"} 1`; values of labels are plain here.
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').unwrap().split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (key, value) = label.split_once('=').unwrap();
            let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            (key.to_owned(), value.to_owned())
        });
        Self { name: name.to_owned(), labels: labels.collect(), value: value.parse().unwrap() }
    }

    fn is(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        let has = |(key, value): &(&str, &str)| self.labels.get(*key).is_some_and(|it| it == value);
        self.name == name && labels.iter().all(has)
    }

    /// Returns its labels but the bound of a bucket.
    fn own_labels(&self) -> BTreeMap<&str, &str> {
        let labels = self.labels.iter().filter(|(key, _)| *key != "le");
        labels.map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
}

impl Family {
    /// Returns its name as the pages show it.
    fn shown_name(&self) -> String {
        match self.kind.as_str() {
            "counter" => format!("{}_total", self.name),
            "info" => format!("{}_info", self.name),
            _ => self.name.clone(),
        }
    }

    /// Checks the names of its samples, and the buckets of a histogram.
    fn check(&self) {
        let mut keys = BTreeSet::new();
        for sample in &self.samples {
            let end = sample.name.strip_prefix(&self.name).unwrap_or("?");
            let ends: &[&str] = match self.kind.as_str() {
                "counter" => &["_total"],
                "info" => &["_info"],
                "histogram" => &["_sum", "_count", "_bucket"],
                _ => &[""],
            };
            assert!(ends.contains(&end), "{sample:?} in {}", self.name);
            assert!(sample.value.is_finite() && sample.value >= 0.0, "{sample:?}");
            assert!(keys.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
        }
        if self.kind == "histogram" {
            let labels: BTreeSet<_> = self.samples.iter().map(Sample::own_labels).collect();
            labels.iter().for_each(|labels| self.check_histogram(labels));
        }
    }

    fn check_histogram(&self, labels: &BTreeMap<&str, &str>) {
        let part = |end: &str| -> Vec<&Sample> {
            let of_part = |it: &&Sample| {
                it.name == format!("{}{end}", self.name) && it.own_labels() == *labels
            };
            self.samples.iter().filter(of_part).collect()
        };
        let (buckets, counts, sums) = (part("_bucket"), part("_count"), part("_sum"));
        let bounds: Vec<f64> = buckets.iter().map(|it| it.labels["le"].parse().unwrap()).collect();
        assert!(bounds.is_sorted() && bounds.last() == Some(&f64::INFINITY), "{bounds:?}");
        assert!(buckets.is_sorted_by_key(|bucket| bucket.value), "{buckets:?}");
        let [count, sum] = [counts[0].value, sums[0].value];
        assert_eq!((counts.len(), sums.len()), (1, 1));
        assert_eq!(buckets.last().unwrap().value, count, "{} {labels:?}", self.name);
        // The sum lies between those of the lower and of the upper bounds.
        let (mut below, mut least, mut most) = (0.0, 0.0, 0.0);
        let lower = [0.0].into_iter().chain(bounds.iter().copied());
        for ((low, high), bucket) in lower.zip(&bounds).zip(&buckets) {
            let here = bucket.value - below;
            (least, below) = (least + here * low, bucket.value);
            most += if here > 0.0 { here * high } else { 0.0 };
        }
        let slack = 1e-9 * count;
        assert!((least - slack..=most + slack).contains(&sum), "{sum}: {buckets:?}");
    }
}

impl Scrape {
    /// Asks a node, and checks its answer.
    pub fn of(http: SocketAddr) -> Self {
        let answer = get(http, "/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        Self::parse(&answer.body)
    }

    fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("the mark of the end");
        let mut families: Vec<Family> = Vec::new();
        let mut helped = BTreeSet::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(helped.insert(name.to_owned()) && help.ends_with('.'), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(helped.contains(name), "a help stands before {line}");
                let (name, kind) = (name.to_owned(), kind.to_owned());
                families.push(Family { name, kind, samples: Vec::new() });
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').unwrap();
                assert!(name.ends_with(&format!("_{unit}")), "{line}");
            } else {
                let family = families.last_mut().unwrap_or_else(|| panic!("of no family: {line}"));
                family.samples.push(Sample::parse(line));
            }
        }
        assert_eq!(families.len(), helped.len());
        families.iter().for_each(Family::check);
        Self(families)
    }

    /// Returns the families in the order of their names.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut metrics: Vec<Metric> = self
            .0
            .iter()
            .map(|family| Metric {
                name: family.shown_name(),
                kind: family.kind.clone(),
                labels: family
                    .samples
                    .iter()
                    .flat_map(|sample| sample.own_labels().into_keys())
                    .map(str::to_owned)
                    .collect(),
            })
            .collect();
        metrics.sort();
        metrics
    }

    /// Returns the samples of a family.
    pub fn samples(&self, name: &str) -> &[Sample] {
        let family = self.0.iter().find(|family| family.shown_name() == name);
        family.map(|family| family.samples.as_slice()).unwrap_or_default()
    }

    /// Returns the sample of this name that has these labels among its own.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Sample> {
        self.0.iter().flat_map(|family| &family.samples).find(|sample| sample.is(name, labels))
    }

    /// Returns the value of a sample, which must be there.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.find(name, labels);
        found.unwrap_or_else(|| panic!("no {name} {labels:?} in {self:?}")).value
    }

    /// Returns all values of a label.
    pub fn label_values(&self, key: &str) -> BTreeSet<&str> {
        let samples = self.0.iter().flat_map(|family| &family.samples);
        samples.filter_map(|sample| sample.labels.get(key)).map(String::as_str).collect()
    }

    /// Checks that no counter, nor any part of a histogram, is less than it was.
    pub fn assert_not_below(&self, before: &Self) {
        for family in
            before.0.iter().filter(|it| ["counter", "histogram"].contains(&it.kind.as_str()))
        {
            for old in &family.samples {
                let labels: Vec<(&str, &str)> =
                    old.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                let new = self.value(&old.name, &labels);
                assert!(new >= old.value, "{old:?}, then {new}");
            }
        }
    }
}
