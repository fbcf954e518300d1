//! Those to whom a player tells what it does.

use super::Broken;
use crate::scenario::backend::Trouble;
use crate::scenario::step::ScriptLine;

/// Follows a player step by step. It may look at the backend between two steps.
pub trait Audience<B> {
    /// Takes a step that begins, with what the story shows of it.
    ///
    /// # Errors
    /// When the run is ended; the step is not played then.
    fn begins(&mut self, backend: &mut B, line: &ScriptLine, shown: &str) -> Result<(), Trouble>;

    /// Takes a step that is done, with what the story shows of its result.
    fn done(&mut self, backend: &mut B, line: &ScriptLine, shown: &str);

    /// Takes the step that ends the run. It may be one that was done, where the trace of its block
    /// is another one than the file has.
    fn broken(&mut self, backend: &mut B, broken: &Broken);
}

/// Passes the story on, piece by piece.
pub(super) struct Story<F>(pub(super) F);

impl<B, F: FnMut(&str)> Audience<B> for Story<F> {
    fn begins(&mut self, _: &mut B, _: &ScriptLine, shown: &str) -> Result<(), Trouble> {
        (self.0)(shown);
        Ok(())
    }

    fn done(&mut self, _: &mut B, _: &ScriptLine, shown: &str) {
        (self.0)(shown);
    }

    fn broken(&mut self, _: &mut B, _: &Broken) {}
}
