//! What the system's reason for a failure says about a disk.

use std::io;

use rustix::io::Errno;

/// How a file system says that it is damaged.
#[cfg(target_os = "linux")]
const NEEDS_CLEANING: Errno = Errno::UCLEAN;
#[cfg(not(target_os = "linux"))]
const NEEDS_CLEANING: Errno = Errno::BADMSG;

/// Whether the process or the machine lacks something for the moment: a descriptor, memory. That says nothing about the
/// disk, and the same call works later.
pub(super) fn is_lack(error: &io::Error) -> bool {
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::INTR];
    is_one_of(error, &lacks)
}

/// Whether there is no room: on the disk, in somebody's share of it, or below the limit of file sizes, which can be
/// raised while the node runs.
pub(super) fn is_full(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::NOSPC, Errno::DQUOT, Errno::FBIG])
}

/// Whether the system did not let the file be opened or changed: the file system is read-only, or permissions were
/// taken away. That says nothing about what is in the file, and an operator can take it back.
pub(super) fn is_refused(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::ROFS, Errno::ACCESS, Errno::PERM])
}

/// Whether a read that failed so will fail for good: the file is missing, or the file system says that it is damaged.
pub(super) fn is_loss(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::NOENT, NEEDS_CLEANING, Errno::BADMSG])
}

/// Whether the disk could not read or write: a bad sector, or a line to it that is gone for the moment.
pub(super) fn is_io_error(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::IO])
}

fn is_one_of(error: &io::Error, numbers: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|number| numbers.contains(&number))
}
