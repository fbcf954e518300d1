//! Parses a command line into flags, or into one line that says what is wrong with it.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use acklog_types::escaped;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Parser};

/// Exit status of a command line that cannot be used.
pub(crate) const BAD_USAGE_STATUS: u8 = 2;

/// Longest time for the last line of a program. Shorter: it is lost on a busy machine. Longer: a
/// program is to end within five seconds, also where standard error blocks.
const LAST_LINE_TIMEOUT: Duration = Duration::from_secs(3);

/// The rule for the names of environment variables; shown once instead of at each flag.
const ENVIRONMENT_HELP: &str = "Each flag can also be given by an environment variable: \
ACKLOG_HTTP_PORT for --http-port. A flag wins over its variable.";

/// The flags of a daemon.
pub trait NodeConfig: Parser {
    /// Checks the flags that depend on each other.
    ///
    /// # Errors
    /// When the flags contradict each other.
    fn check(&self) -> Result<(), Stop>;
}

/// The reason why a program ends before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Help or version was requested: this text goes to standard output.
    Shown(String),
    /// The command line is unusable: this line goes to standard error.
    BadUsage(String),
}

impl Stop {
    /// Creates the end of a program whose command line is unusable for this reason.
    pub fn bad_usage(program: &str, reason: &str) -> Self {
        Self::BadUsage(format!("{program}: {}", escaped(reason)))
    }

    /// Prints the text to its stream and returns the exit status: 0 or 2.
    pub fn report(self) -> ExitCode {
        // A closed reader is no reason to fail.
        match self {
            Self::Shown(text) => {
                let _ = write!(std::io::stdout(), "{text}");
                ExitCode::SUCCESS
            }
            Self::BadUsage(line) => {
                last_line(line);
                ExitCode::from(BAD_USAGE_STATUS)
            }
        }
    }

    fn from_clap(program: &str, hidden: &[String], error: &clap::Error, args: &[OsString]) -> Self {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Self::Shown(text),
            // Clap's own text would list the hidden ones too.
            ErrorKind::MissingSubcommand => {
                let all = match error.get(ContextKind::ValidSubcommand) {
                    Some(ContextValue::Strings(all)) => all.as_slice(),
                    _ => &[],
                };
                let shown = all.iter().filter(|name| *name != "help" && !hidden.contains(name));
                let shown: Vec<&str> = shown.map(String::as_str).collect();
                Self::bad_usage(program, &format!("a subcommand is missing: {}", shown.join(", ")))
            }
            kind => {
                let mut reason = one_line(&text);
                if let Some((shown, variable)) = from_environment(error, args) {
                    reason = reason.replace(&shown, &format!("{variable} in the environment"));
                }
                if matches!(kind, ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand) {
                    reason.push_str("; --help lists what is accepted");
                }
                Self::bad_usage(program, &reason)
            }
        }
    }
}

/// Reads a command line, with the program's name first, and the environment.
///
/// # Errors
/// When help or the version is requested, and when the command line is unusable.
pub fn parse<T: Parser>(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, Stop> {
    Ok(parse_with_sources(args)?.0)
}

/// Reads the command line of a daemon and checks it as a whole.
///
/// # Errors
/// As [`parse`], and when flags contradict each other.
pub fn parse_node<T: NodeConfig>(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, Stop> {
    let (flags, matches): (T, _) = parse_with_sources(args)?;
    match flags.check() {
        Ok(()) => Ok(flags),
        Err(Stop::BadUsage(line)) => {
            Err(Stop::BadUsage(with_variables(&T::command(), &matches, line)))
        }
        Err(shown) => Err(shown),
    }
}

fn parse_with_sources<T: Parser>(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<(T, ArgMatches), Stop> {
    let command = prepared(T::command()).after_help(ENVIRONMENT_HELP);
    let program = command.get_name().to_owned();
    let hidden = command.get_subcommands().filter(|command| command.is_hide_set());
    let hidden: Vec<String> = hidden.map(|command| command.get_name().to_owned()).collect();
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let stop = |error: &clap::Error| match error.kind() {
        ErrorKind::InvalidUtf8 => Stop::bad_usage(&program, &not_utf8(&args)),
        _ => Stop::from_clap(&program, &hidden, error, &args),
    };
    let matches = command.try_get_matches_from(&args).map_err(|error| stop(&error))?;
    let flags = T::from_arg_matches(&matches).map_err(|error| stop(&error))?;
    Ok((flags, matches))
}

/// Reports an error in one line on standard error.
pub fn report(program: &str, error: &anyhow::Error) {
    let line = format!("{error:#}");
    last_line(format!("{program}: {}", escaped(&line)));
}

/// Writes the last line of a program to standard error. Where that blocks, the program does not
/// wait without end: it ends without the line.
pub fn last_line(line: String) {
    let (done, written) = mpsc::channel();
    let write = move || {
        // A closed reader is no reason to fail.
        let _ = writeln!(std::io::stderr(), "{line}");
        let _ = done.send(());
    };
    match thread::Builder::new().spawn(write.clone()) {
        // An error means that the line could not be written in time.
        Ok(_) => drop(written.recv_timeout(LAST_LINE_TIMEOUT)),
        Err(_) => write(),
    }
}

/// Describes what is not UTF-8: a file name may be so, nothing else.
fn not_utf8(args: &[OsString]) -> String {
    let bad = args.iter().enumerate().skip(1).find(|(_, arg)| arg.to_str().is_none());
    match bad {
        Some((number, arg)) => {
            format!("argument {number} is no UTF-8: {:?}", arg.to_string_lossy())
        }
        None => {
            let is_bad = |name: &OsString, value: &OsString| {
                name.to_string_lossy().starts_with("ACKLOG_") && value.to_str().is_none()
            };
            match std::env::vars_os().find(|(name, value)| is_bad(name, value)) {
                Some((name, value)) => {
                    let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
                    format!("the value of {name} is no UTF-8: {value:?}")
                }
                None => "a value in the environment is no UTF-8".to_owned(),
            }
        }
    }
}

/// Replaces each flag whose value came from the environment by its variable.
fn with_variables(command: &Command, matches: &ArgMatches, line: String) -> String {
    let from_environment = command
        .get_arguments()
        .filter(|arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::EnvVariable))
        .filter_map(|arg| {
            Some((format!("--{}", arg.get_long()?), arg.get_env()?.to_str()?.to_owned()))
        });
    from_environment.fold(line, |line, (flag, variable)| line.replace(&flag, &variable))
}

/// Applies the settings that all commands and flags share, so that no definition can forget them.
fn prepared(command: Command) -> Command {
    command
        .args_override_self(true)
        .arg_required_else_help(false)
        // One flag, one line, however narrow the terminal is.
        .term_width(0)
        .mut_args(|arg| {
            let empty =
                arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
            let arg = arg.hide_env(true);
            // Compose files leave variables empty that they do not set.
            if empty { arg.env(Resettable::Reset) } else { arg }
        })
        .mut_subcommands(prepared)
}

/// Returns the flag of a bad value, as clap shows it, and the variable of that value.
fn from_environment(error: &clap::Error, args: &[OsString]) -> Option<(String, String)> {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = shown.split([' ', '=']).next()?;
    Some((format!("'{shown}'"), variable_of(flag, args)?))
}

/// Returns the variable of a flag, where the value came from it.
fn variable_of(flag: &str, args: &[OsString]) -> Option<String> {
    let is_given = args.iter().filter_map(|arg| arg.to_str()).any(|arg| {
        arg.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    let variable = flag.strip_prefix("--")?.to_uppercase().replace('-', "_");
    let variable = format!("ACKLOG_{variable}");
    let is_set = std::env::var_os(&variable).is_some_and(|value| !value.is_empty());
    (!is_given && is_set).then_some(variable)
}

/// Returns a flag of this program as its user gave it: the flag, or its variable.
pub(crate) fn as_given(flag: &str) -> String {
    let args: Vec<OsString> = std::env::args_os().collect();
    variable_of(flag, &args).unwrap_or_else(|| flag.to_owned())
}

/// Returns clap's message without usage and advice, in one line.
fn one_line(text: &str) -> String {
    let ends = ["\n\nUsage:", "\n\nFor more information"];
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let text = text.get(..end).unwrap_or(text);
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        // Advice on values that look like flags, of which there are none.
        .filter(|paragraph| !paragraph.is_empty() && !paragraph.starts_with("tip: to pass"))
        .collect::<Vec<_>>()
        .join("; ")
}
