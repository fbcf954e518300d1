//! The memory allocator, and how it returns memory to the system.
//!
//! The allocator of most systems keeps freed memory for as long as the process lives where memory
//! in use lies behind it: after thousands of slow readers, nearly all of theirs. This one has
//! threads of its own that return whole pages once they were unused for a while. It is used on
//! Linux only: elsewhere it has no such threads.

use std::time::Duration;

use tikv_jemalloc_ctl::{Access, AsName};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Longest time for which freed memory is kept for reuse; most of it is returned earlier. Shorter:
/// under a varying load the system takes and gives the same pages again and again. Longer: 8 s
/// after a peak a node would hold more than about what it held before.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// Sets up the allocator to return freed memory after some seconds. To be called before the process
/// has other threads.
///
/// # Errors
/// The allocator's: freed memory is then returned later.
pub(crate) fn give_back_soon() -> Result<(), tikv_jemalloc_ctl::Error> {
    // Created now. More would be created whenever there is more to do, and where the system has
    // none to give, each attempt writes a line to standard error.
    "max_background_threads\0".name().write(1_usize)?;
    let kept_ms = KEPT_FOR.as_millis() as isize;
    // For the arenas of future threads, and for the existing ones.
    "arenas.dirty_decay_ms\0".name().write(kept_ms)?;
    let arenas: u32 = "arenas.narenas\0".name().read()?;
    for arena in 0..arenas {
        // Fails for arenas that do not exist yet.
        let _ = format!("arena.{arena}.dirty_decay_ms\0").name().write(kept_ms);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_arenas_give_back_soon() {
        give_back_soon().unwrap();
        let kept: isize = "arenas.dirty_decay_ms\0".name().read().unwrap();
        let kept_by_first: isize = "arena.0.dirty_decay_ms\0".name().read().unwrap();
        assert_eq!((kept, kept_by_first), (4000, 4000));
        let threads: bool = "background_thread\0".name().read().unwrap();
        assert!(threads, "nothing is given back by threads that sleep");
        let threads: usize = "max_background_threads\0".name().read().unwrap();
        assert_eq!(threads, 1);
    }
}
