//! The meaning of the system's error codes for a disk.

use std::io;

use rustix::io::Errno;

/// The code of a file system that is damaged.
#[cfg(target_os = "linux")]
const NEEDS_CLEANING: Errno = Errno::UCLEAN;
#[cfg(not(target_os = "linux"))]
const NEEDS_CLEANING: Errno = Errno::BADMSG;

/// Returns whether the process or the machine lacks a descriptor or memory. That says nothing about
/// the disk, and the same call succeeds later.
pub(super) fn is_lack(error: &io::Error) -> bool {
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::INTR];
    is_one_of(error, &lacks)
}

/// Returns whether space is lacking: on the disk, in a quota, or below the limit of file sizes,
/// which can be raised while the node runs.
pub(super) fn is_full(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::NOSPC, Errno::DQUOT, Errno::FBIG])
}

/// Returns whether the system refused to open or change a file: the file system is read-only, or
/// permissions were taken away. That says nothing about the file's contents, and an operator can
/// undo it.
pub(super) fn is_refused(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::ROFS, Errno::ACCESS, Errno::PERM])
}

/// Returns whether such a read will fail permanently: the file is missing, or the file system
/// reports damage.
pub(super) fn is_loss(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::NOENT, NEEDS_CLEANING, Errno::BADMSG])
}

/// Returns whether the disk failed to read or write: a bad sector, or a connection to the disk that
/// is interrupted.
pub(super) fn is_io_error(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::IO])
}

fn is_one_of(error: &io::Error, numbers: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|number| numbers.contains(&number))
}
