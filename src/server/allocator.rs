//! The allocator, and how it gives memory back.
//!
//! Most systems' own allocator keeps what was freed for as long as the process lives where something that is still used
//! lies behind it: after thousands of slow readers, nearly all of their memory. This one has threads of its own that
//! give back whole pages once they were not used for a while. It is used on Linux only: elsewhere it has no such
//! threads.

use std::time::Duration;

use tikv_jemalloc_ctl::{Access, AsName};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// How long freed memory is kept for the next use at most, in time; most of it goes back earlier. Shorter: under a load
/// that comes and goes the system makes and takes the same pages again and again. Longer: 8 s after a peak a node would
/// hold more than about what it held before.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// Has freed memory go back to the system after some seconds. To be called before the process has
/// other threads.
///
/// # Errors
/// The allocator's: freed memory goes back later than it could then.
pub(crate) fn give_back_soon() -> Result<(), tikv_jemalloc_ctl::Error> {
    // Made now. More would be made whenever there is more to do, and where the system has none to
    // give, each attempt writes a line to standard error.
    "max_background_threads\0".name().write(1_usize)?;
    let kept_ms = KEPT_FOR.as_millis() as isize;
    // For the arenas that threads will have, and for those that there are.
    "arenas.dirty_decay_ms\0".name().write(kept_ms)?;
    let arenas: u32 = "arenas.narenas\0".name().read()?;
    for arena in 0..arenas {
        // Fails for those that are not made yet.
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
