//! Pictures of screens.
