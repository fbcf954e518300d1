//! The numbers of the process, under the names that Prometheus gives them everywhere.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::families::Families;

/// The numbers of the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessNumbers {
    /// Processor time used.
    cpu: Duration,
    /// Time since 1970 at its start.
    started: Duration,
    /// Memory in use, in bytes; none where the system does not tell.
    resident_bytes: Option<u64>,
    /// Open descriptors; none where the system does not tell.
    open_fds: Option<u64>,
    /// Most descriptors; none without a limit.
    max_fds: Option<u64>,
}

impl ProcessNumbers {
    /// Reads the numbers of this process, which started at that time.
    pub(super) fn read(started: SystemTime) -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            cpu: Duration::new(cpu.tv_sec.unsigned_abs(), cpu.tv_nsec as u32),
            started: started.duration_since(UNIX_EPOCH).unwrap_or_default(),
            resident_bytes: fs::read_to_string("/proc/self/status")
                .ok()
                .as_deref()
                .and_then(resident),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
        }
    }
}

/// Returns the memory in use, in bytes, from the lines of `/proc/self/status`.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Returns the number of open descriptors.
fn open_fds() -> Option<u64> {
    let folder = "/proc/self/fd";
    // The size of the folder is their number since Linux 6.2. Before, it is 0.
    match fs::metadata(folder).ok()?.len() {
        // One is open only to read the folder.
        0 => Some((fs::read_dir(folder).ok()?.count() as u64).saturating_sub(1)),
        count => Some(count),
    }
}

/// Writes the numbers.
pub(super) fn write(out: &mut Families<'_>, process: &ProcessNumbers) -> fmt::Result {
    out.counter(
        "process_cpu_seconds_total",
        "Processor time used, in user and system mode.",
        process.cpu.as_secs_f64(),
    )?;
    out.gauge_if_known("process_resident_memory_bytes", "Memory in use.", process.resident_bytes)?;
    out.gauge_if_known("process_open_fds", "Open descriptors.", process.open_fds)?;
    out.gauge_if_known(
        "process_max_fds",
        "Most descriptors that the process may open.",
        process.max_fds,
    )?;
    out.gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970.",
        process.started.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_a_line_in_kibibytes() {
        let status = "VmPeak:\t   9 kB\nVmRSS:\t    1234 kB\nThreads:\t3\n";
        assert_eq!(resident(status), Some(1234 * 1024));
        assert_eq!((resident("Threads:\t3\n"), resident("VmRSS:\tx kB\n")), (None, None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_numbers_of_this_process_are_there_and_a_file_more_is_a_descriptor_more() {
        let before = ProcessNumbers::read(SystemTime::now());
        assert!(before.resident_bytes > Some(1024 * 1024) && before.cpu > Duration::ZERO);
        let _many: Vec<_> =
            (0..100).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        let after = ProcessNumbers::read(SystemTime::now());
        // Other tests open and close files too.
        assert!(after.open_fds.unwrap() > before.open_fds.unwrap() + 50);
        assert!(after.open_fds < after.max_fds && after.cpu >= before.cpu);
    }
}
