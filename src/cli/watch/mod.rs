//! `acklog watch`: shows the cluster on a terminal, as it changes.
//!
//! [`feed`] reads one stream of one node, [`model`] keeps what it told, [`screen`] draws a picture
//! from that, and [`painter`] turns into bytes what differs from the picture before. [`session`]
//! brings them together. No framework is in between: rows of texts at columns are all that is
//! needed, and a crate for terminal programs would lengthen each build by more than all of this.

mod feed;
mod keys;
mod model;
mod painter;
mod parts;
mod picture;
mod screen;
mod session;
mod terminal;
mod text;
mod view;
mod words;

use clap::Args;

use super::TargetArgs;

/// Flags of `acklog watch`.
#[derive(Clone, Debug, Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    target: TargetArgs,
}

/// Returns why nothing can be watched where the program runs, if so.
pub(super) fn unusable() -> Option<String> {
    terminal::unusable()
}

/// Shows the cluster until the user leaves.
///
/// # Errors
/// When no node could be reached at first, or the terminal cannot be used.
pub(super) async fn run(args: &WatchArgs) -> anyhow::Result<()> {
    session::run(&args.target.urls).await
}
