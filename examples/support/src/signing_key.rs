//! The signing key: given, or made once and kept beside the database.
//!
//! The file is readable by its owner alone, from its first moment on, and appears under its name
//! whole or not at all: two processes that start at once agree on one key, and a crash leaves no
//! half of one.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use logout_all::Keys;

use crate::StartError;

/// The environment variable with a key of one's own: no option, for a command line is no secret.
pub(crate) const VARIABLE: &str = "SESSION_KEY";

const KEY_BYTES: usize = 32;

/// Where the key came from, to be told at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyOrigin {
    Given,
    Kept(PathBuf),
    ForThisRun,
}

/// The key of a server whose sessions are in that file; none: in memory, or in a database elsewhere.
pub(crate) fn signing_key(database: Option<&Path>) -> Result<(Keys, KeyOrigin), StartError> {
    if std::env::var_os(VARIABLE).is_some() {
        return Ok((Keys::hs256_from_env(VARIABLE)?, KeyOrigin::Given));
    }
    let Some(database) = database else {
        return Ok((Keys::hs256(random()?)?, KeyOrigin::ForThisRun));
    };
    let path = beside(database);
    let secret = kept(&path)?;
    Ok((Keys::hs256(secret)?, KeyOrigin::Kept(path)))
}

/// `sessions.db` has its key in `sessions.db.key`.
fn beside(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".key");
    name.into()
}

/// The key in that file, which is made if there is none.
fn kept(path: &Path) -> Result<Vec<u8>, StartError> {
    if let Some(secret) = read(path)? {
        return Ok(secret);
    }
    let failed = |why| StartError::File { path: path.to_owned(), why };
    let draft = draft_of(path)?;
    let written = write_whole(&draft, &random()?).and_then(|()| {
        // Unlike a rename this never takes the place of a key that is there.
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    });
    let removed = fs::remove_file(&draft);
    written.and(removed).map_err(failed)?;
    // Whoever was first has made it.
    read(path)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))
}

/// A name of this process's own, in the same folder.
fn draft_of(path: &Path) -> Result<PathBuf, StartError> {
    let mut salt = [0; 12];
    getrandom::fill(&mut salt)?;
    let mut name = OsString::from(path);
    name.push(".");
    name.push(URL_SAFE_NO_PAD.encode(salt));
    Ok(name.into())
}

fn write_whole(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // New, so that nobody has put a file or a link of their own there.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(format!("{}\n", STANDARD.encode(secret)).as_bytes())?;
    file.sync_all()
}

/// None if there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StartError> {
    let failed = |why| StartError::File { path: path.to_owned(), why };
    let refused = |why| StartError::KeyFile { path: path.to_owned(), why };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if is_open_to_others(&file).map_err(failed)? {
        return Err(refused(
            "can be read by others than its owner: remove it, and a new one is made (everybody \
             signs in again)",
        ));
    }
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text).map_err(failed)?;
    match STANDARD.decode(text.trim()) {
        Ok(secret) if secret.len() >= KEY_BYTES => Ok(Some(secret)),
        _ => Err(refused("is not base64 of 32 bytes or more: remove it, and a new one is made")),
    }
}

/// Asked of the file that is open, and not of its name.
#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;

    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_file: &File) -> io::Result<bool> {
    Ok(false)
}

fn random() -> Result<[u8; KEY_BYTES], getrandom::Error> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::{Arc, Barrier},
        thread,
    };

    use super::*;

    /// "two processes starting at once must agree on one key"
    #[test]
    fn many_that_start_at_once_agree_on_one_key() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("sessions.db.key");
            let barrier = Arc::new(Barrier::new(8));
            let starting: Vec<_> = (0..8)
                .map(|_| {
                    let (barrier, path) = (Arc::clone(&barrier), path.clone());
                    thread::spawn(move || {
                        barrier.wait();
                        kept(&path).unwrap()
                    })
                })
                .collect();
            let keys: HashSet<_> = starting.into_iter().map(|one| one.join().unwrap()).collect();
            assert_eq!(keys.len(), 1);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        }
    }

    #[test]
    fn a_key_stays_and_another_database_has_another() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| kept(&beside(&folder.path().join(name))).unwrap();
        assert_eq!(key("a.db"), key("a.db"));
        assert_ne!(key("a.db"), key("b.db"));
        assert!(folder.path().join("a.db.key").exists());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone_and_one_that_is_not_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let secret = kept(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refusal = kept(&path).unwrap_err().to_string();
        assert!(refusal.contains("by others"), "{refusal}");
        assert!(!refusal.contains(&STANDARD.encode(secret)));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_key_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for text in ["", "not base64!", "c2hvcnQ="] {
            let _ = fs::remove_file(&path);
            write_whole(&path, b"").unwrap();
            fs::write(&path, text).unwrap();
            assert!(matches!(kept(&path), Err(StartError::KeyFile { .. })), "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
