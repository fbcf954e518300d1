//! Pseudo-terminals, and programs in them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A terminal. With its end, programs in it are hung up on.
pub struct Terminal {
    /// The side of whoever sits at the terminal.
    pub keyboard: File,
    /// The programs' side.
    pub device: OwnedFd,
}

impl Terminal {
    /// Opens one.
    pub fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let device = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        Self { keyboard: keyboard.into(), device }
    }

    /// Creates a command for a program in a session of its own, whose terminal this is: only such a
    /// one hears of its size and end. Of the environment it has `PATH`.
    pub fn session(&self, program: &[&str]) -> Command {
        let side = || self.device.try_clone().unwrap();
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(program).stdin(side()).stdout(side()).stderr(side());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command
    }
}
