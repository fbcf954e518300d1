//! Changes the files of a log, as a crash or a failing disk does.

use std::fs;
use std::path::{Path, PathBuf};

use acklog_sim::scenario::FileChange;
use anyhow::{Context, bail};

/// The beginning of the first write group in a segment file, after the file's header. A write that
/// was cut short is made of it.
const GROUP_BYTES: std::ops::Range<usize> = 64..90;

/// Changes the last segment file of a folder. Returns the file.
///
/// # Errors
/// When there is no such file, or nothing in it to change.
pub(super) fn change(folder: &Path, what: &FileChange) -> anyhow::Result<PathBuf> {
    let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let segments = files.into_iter().filter(|path| path.extension().is_some_and(|it| it == "log"));
    let file = segments.max().context("the directory holds no segment file")?;
    let bytes = changed(fs::read(&file)?, what)?;
    fs::write(&file, bytes)?;
    Ok(file)
}

fn changed(mut bytes: Vec<u8>, what: &FileChange) -> anyhow::Result<Vec<u8>> {
    // Files end in preallocated zeros; the last message ends where they begin.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match what {
        FileChange::Damage { text, by } => {
            let Some(at) = place_of(&bytes, text) else { bail!("no message has {text:?} in it") };
            overwrite(&mut bytes, at, by.as_bytes())?;
        }
        FileChange::Tear { bytes: torn } => {
            let torn = usize::try_from(*torn)?;
            bytes.truncate(end.checked_sub(torn).context("the file is shorter than that")?);
        }
        FileChange::HalfWrite => {
            let group = bytes.get(GROUP_BYTES).context("the file holds no message")?.to_vec();
            bytes.resize(bytes.len().max(end + group.len()), 0);
            overwrite(&mut bytes, end, &group)?;
        }
    }
    Ok(bytes)
}

fn overwrite(bytes: &mut [u8], at: usize, by: &[u8]) -> anyhow::Result<()> {
    let place = bytes.get_mut(at..at + by.len()).context("the file ends before that")?;
    place.copy_from_slice(by);
    Ok(())
}

fn place_of(bytes: &[u8], text: &str) -> Option<usize> {
    memchr::memmem::find(bytes, text.as_bytes())
}

/// Returns whether a file that `acklog log reset` moved aside in a folder holds a text.
///
/// # Errors
/// When the files cannot be read.
pub(super) fn is_aside(folder: &Path, text: &str) -> anyhow::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("reset-") {
            continue;
        }
        for file in fs::read_dir(entry.path())? {
            let file = file?.path();
            if file.is_file() && place_of(&fs::read(file)?, text).is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_changed_where_its_messages_are() {
        let mut file = vec![7; 100];
        file.extend_from_slice(b"Msg1");
        file.extend_from_slice(&[0; 40]);
        let damage =
            |text: &str| FileChange::Damage { text: text.to_owned(), by: "Mqg1".to_owned() };
        let damaged = changed(file.clone(), &damage("Msg1")).unwrap();
        assert_eq!((&damaged[100..104], damaged.len()), (b"Mqg1".as_slice(), 144));
        assert!(changed(file.clone(), &damage("none")).is_err());
        let torn = changed(file.clone(), &FileChange::Tear { bytes: 3 }).unwrap();
        assert_eq!(torn.len(), 101);
        assert!(changed(file.clone(), &FileChange::Tear { bytes: 105 }).is_err());
        let half = changed(file, &FileChange::HalfWrite).unwrap();
        assert_eq!((half[104], half[129], half[130], half.len()), (7, 7, 0, 144));
    }
}
