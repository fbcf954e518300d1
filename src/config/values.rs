//! Reads the values of single flags. Each error says what is accepted.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use acklog_types::{
    Fsync, HEARTBEAT_INTERVAL_MAX, MESSAGE_BYTES_LIMIT, NODES_MAX, NodeName, Quorum,
    SECONDARIES_MAX, WriteConcern, parse_duration, parse_duration_with_unit,
};
use tracing_subscriber::EnvFilter;

use super::defaults::{
    FOLLOWERS_MAX, IDEMPOTENCY_WINDOW_MAX, INTERVAL_MIN, WAITING_MAX, WORKERS_MAX,
};
use crate::telemetry::LogFormat;

/// Most memory that listings may be given, in bytes; their counter has 32 bits.
const LISTING_BYTES_LIMIT: usize = 4095 << 20;

/// Longest host name, in bytes, that the domain name system allows.
const HOST_BYTES_MAX: usize = 253;

/// Reads a whole number without a sign.
pub(crate) fn number(text: &str, min: usize, max: usize) -> Result<usize, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits && (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("it must be a whole number from {min} to {max}")),
    }
}

fn number_u16(text: &str, min: u16, max: u16) -> Result<u16, String> {
    let number = number(text, min.into(), max.into())?;
    u16::try_from(number).map_err(|_| format!("it must be at most {max}"))
}

/// Reads a port to listen on; 0 takes a free one.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    number_u16(text, 0, u16::MAX)
}

/// Reads a port to dial.
pub(super) fn dialled_port(text: &str) -> Result<u16, String> {
    number_u16(text, 1, u16::MAX)
}

/// Returns the last of `count` ports that begin with `first`, if there are so many.
pub(crate) fn port_range_end(first: u16, count: u16) -> Option<u16> {
    first.checked_add(count.checked_sub(1)?)
}

pub(super) fn workers(text: &str) -> Result<usize, String> {
    number(text, 1, WORKERS_MAX)
}

pub(super) fn waiting(text: &str) -> Result<usize, String> {
    number(text, 1, WAITING_MAX)
}

pub(super) fn followers(text: &str) -> Result<usize, String> {
    number(text, 1, FOLLOWERS_MAX)
}

/// Reads a read concern that every node knows.
pub(super) fn read_concern(text: &str) -> Result<WriteConcern, String> {
    match text.parse() {
        Ok(concern @ (WriteConcern::Nodes(1) | WriteConcern::Majority | WriteConcern::All)) => {
            Ok(concern)
        }
        _ => Err("it must be 1, majority or all".to_owned()),
    }
}

pub(super) fn idempotency_window(text: &str) -> Result<usize, String> {
    number(text, 1, IDEMPOTENCY_WINDOW_MAX)
}

pub(super) fn cluster_size(text: &str) -> Result<u16, String> {
    number_u16(text, 1, NODES_MAX)
}

/// Names of secondaries. A type of its own, since the argument parser takes a set for a flag with
/// several values.
#[derive(Clone, Debug)]
pub(super) struct Names(pub(super) BTreeSet<NodeName>);

/// Reads names of secondaries, separated by commas.
pub(super) fn secondaries(text: &str) -> Result<Names, String> {
    let names = text.split(',').map(|name| name.trim().parse::<NodeName>());
    let names = names.collect::<Result<BTreeSet<_>, _>>().map_err(|error| error.to_string())?;
    if names.len() > usize::from(SECONDARIES_MAX) {
        return Err(format!("a cluster has at most {SECONDARIES_MAX} secondaries"));
    }
    Ok(Names(names))
}

/// Reads a timeout or a pause: a duration that is not too close to zero.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    not_too_short(parse_duration(text).map_err(|error| error.to_string())?)
}

/// Reads the same on the tool's command line, where a bare number is refused.
pub(crate) fn interval_with_unit(text: &str) -> Result<Duration, String> {
    not_too_short(parse_duration_with_unit(text).map_err(|error| error.to_string())?)
}

fn not_too_short(duration: Duration) -> Result<Duration, String> {
    if duration < INTERVAL_MIN {
        return Err(format!("it must be at least {INTERVAL_MIN:?}"));
    }
    Ok(duration)
}

/// Reads a pause between heartbeats.
pub(super) fn heartbeat_interval(text: &str) -> Result<Duration, String> {
    let duration = interval(text)?;
    if duration > HEARTBEAT_INTERVAL_MAX {
        return Err(format!("it must be at most {HEARTBEAT_INTERVAL_MAX:?}"));
    }
    Ok(duration)
}

/// Reads the longest message: `65536`, `64KiB`, `1MiB`.
pub(super) fn message_bytes(text: &str) -> Result<usize, String> {
    bytes(text, MESSAGE_BYTES_LIMIT)
}

/// Reads the memory limit of all listings.
pub(super) fn listing_bytes(text: &str) -> Result<usize, String> {
    bytes(text, LISTING_BYTES_LIMIT)
}

/// Reads a number of bytes of at most `limit`, which is whole MiB.
fn bytes(text: &str, limit: usize) -> Result<usize, String> {
    let (digits, unit) = if let Some(digits) = text.strip_suffix("MiB") {
        (digits, 1 << 20)
    } else if let Some(digits) = text.strip_suffix("KiB") {
        (digits, 1 << 10)
    } else {
        (text, 1)
    };
    number(digits.trim_end(), 1, limit / unit).map(|count| count * unit).map_err(|_| {
        let limit = limit >> 20;
        format!("it must be a number of bytes like 65536, 64KiB or 1MiB, at most {limit}MiB")
    })
}

/// Reads a write concern that some cluster could fulfil.
pub(super) fn write_concern(text: &str) -> Result<WriteConcern, String> {
    match text.parse().map_err(|error: acklog_types::WriteConcernError| error.to_string())? {
        WriteConcern::Nodes(nodes) if nodes > u64::from(NODES_MAX) => {
            Err(format!("a cluster has at most {NODES_MAX} nodes"))
        }
        concern => Ok(concern),
    }
}

/// A quorum, or none. Not an `Option`: that would be a flag without a default.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaybeQuorum(pub(super) Option<Quorum>);

/// Reads a quorum that some cluster could have, or `off`.
pub(super) fn quorum(text: &str) -> Result<MaybeQuorum, String> {
    match text {
        "off" => Ok(MaybeQuorum(None)),
        "majority" => Ok(MaybeQuorum(Some(Quorum::Majority))),
        _ => match number_u16(text, 1, NODES_MAX) {
            Ok(nodes) => Ok(MaybeQuorum(Some(Quorum::Nodes(nodes)))),
            Err(_) => {
                Err(format!("it must be a whole number from 1 to {NODES_MAX}, majority or off"))
            }
        },
    }
}

/// Reads an address to listen on. A name could mean several.
pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "it must be an IP address, as 127.0.0.1, 0.0.0.0 or ::1".to_owned())
}

/// Reads an IP address or a possible host name. Whether the name exists is only known when it is
/// dialed: it may be created later than this node.
pub(super) fn host(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let name = !text.is_empty() && text.len() <= HOST_BYTES_MAX && text.bytes().all(allowed);
    if name || text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("it must be an IP address or a host name, without a port".to_owned())
}

/// Reads the same, or an IPv6 address of one link with its interface: `fe80::1%eth0`.
pub(super) fn dialled_host(text: &str) -> Result<String, String> {
    let front = match text.split_once('%') {
        Some((ip, interface)) if ip.parse::<Ipv6Addr>().is_ok() && host(interface).is_ok() => ip,
        _ => text,
    };
    host(front).map(|_| text.to_owned())
}

/// A list of host names. Not a vector: of a flag with a vector each occurrence would count.
#[derive(Clone, Debug)]
pub(super) struct HostNameList(pub(super) Vec<String>);

/// Reads host names, separated by commas.
pub(super) fn host_names(text: &str) -> Result<HostNameList, String> {
    let names: Result<_, _> = text.split(',').map(|name| host(name.trim())).collect();
    names.map(HostNameList).map_err(|_| {
        "it must be host names without ports, separated by commas, like log.example.org".to_owned()
    })
}

/// Reads a filter of log lines in the notation of `tracing`.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // A bare word that is no level would be taken for a module's name: `--log inof` would silently
    // log nothing at all.
    let misspelt = text.split(',').map(str::trim).find(|part| {
        let word = part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        word && *part != "acklog" && !LEVELS.contains(&part.to_ascii_lowercase().as_str())
    });
    if misspelt.is_none() && EnvFilter::try_new(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!(
        "it must be a level ({}) or a filter like info,acklog::net=debug",
        LEVELS.join(", ")
    ))
}

pub(super) fn fsync(text: &str) -> Result<Fsync, String> {
    match text {
        "always" => Ok(Fsync::Always),
        "never" => Ok(Fsync::Never),
        _ => Err("it must be always or never".to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("it must be text or json".to_owned()),
    }
}
