//! Files as they lie on a real disk.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests make the files that they look at"
)]

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ee_auth_core::host::{Edit, FileKind, FileReadError, Files};

fn files() -> Arc<dyn Files> {
    ee_auth_host::system().files
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn a_file_that_exec_hides_is_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::os::unix::fs::symlink(ee_auth_host::HIDDEN, &path).unwrap();
    for error in [
        files().write_private(&path, b"new").unwrap_err(),
        files().replace(&path, None, Some(b"new")).unwrap_err(),
        files().replace(&path, None, None).unwrap_err(),
        files().remove(&path).unwrap_err(),
        files().check_writable(&path, 1).unwrap_err(),
    ] {
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
    }
    assert_eq!(fs::read_link(&path).unwrap(), Path::new(ee_auth_host::HIDDEN));
    assert_eq!(names(directory.path()), ["file"], "nothing is left beside it");
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "0123456789").unwrap();
    let read = files().read(&path, 10).unwrap();
    assert_eq!(read.bytes[..], *b"0123456789");
    assert_eq!((read.status.kind, read.status.size), (FileKind::Regular, 10));
    assert!(matches!(files().read(&path, 9), Err(FileReadError::TooLarge { size: 10, limit: 9 })));
    fs::write(&path, "").unwrap();
    assert!(files().read(&path, 0).unwrap().bytes.is_empty());
}

#[test]
fn what_is_no_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    assert!(matches!(files().read(&missing, 10), Err(FileReadError::NotFound)));
    assert!(matches!(files().read(&missing.join("below"), 10), Err(FileReadError::NotFound)));
    let read = files().read(directory.path(), 10);
    assert!(matches!(read, Err(FileReadError::NotRegular(FileKind::Directory))));
}

#[test]
fn a_new_file_does_not_replace_another() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/file");
    files().write_new(&path, b"first").unwrap();
    let error = files().write_new(&path, b"second").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"first");
}

#[test]
fn removing_nothing_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "").unwrap();
    files().remove(&path).unwrap();
    files().remove(&path).unwrap();
    assert!(files().remove(directory.path()).is_err());
}

#[test]
fn names_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    fs::create_dir(directory.path().join("directory")).unwrap();
    let mut listed = files().list(directory.path()).unwrap();
    listed.sort();
    assert_eq!(listed, ["directory", "file"]);
    let missing = files().list(&directory.path().join("missing")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    assert!(files().list(&directory.path().join("file")).is_err());
}

#[test]
fn what_can_be_had_again_is_written_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/cached");
    for content in ["first", "second"] {
        files().write_cache(&path, content.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    assert_eq!(names(path.parent().unwrap()), ["cached"]);
}

#[test]
fn a_lock_is_had_once_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/lock");
    for _ in 0..2 {
        let lock = files().try_lock(&path).unwrap();
        assert!(lock.is_some());
        assert!(files().try_lock(&path).unwrap().is_none());
        assert!(files().try_lock(&path.with_file_name("other")).unwrap().is_some());
        drop(lock);
        assert!(names(path.parent().unwrap()).is_empty());
    }
    fs::write(&path, "left by a process that was killed").unwrap();
    assert!(files().try_lock(&path).unwrap().is_some());
    fs::write(directory.path().join("file"), "").unwrap();
    assert!(files().try_lock(&directory.path().join("file/lock")).is_err());
}

#[test]
fn a_file_is_replaced_only_while_it_is_what_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/file");
    assert!(!files().replace(&path, Some(b"old"), Some(b"new")).unwrap());
    assert!(files().replace(&path, None, Some(b"first")).unwrap());
    assert!(!files().replace(&path, None, Some(b"second")).unwrap());
    assert!(!files().replace(&path, Some(b"firs"), Some(b"second")).unwrap());
    assert!(!files().replace(&path, Some(b"firstly"), None).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert!(files().replace(&path, Some(b"first"), Some(b"second")).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert!(files().replace(&path, Some(b"second"), None).unwrap());
    assert!(files().replace(&path, None, None).unwrap());
    assert!(names(path.parent().unwrap()).is_empty());
}

#[test]
fn changes_at_once_are_all_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("count");
    let count = || {
        ee_auth_host::system()
            .update_blocking(&path, 100, |old| {
                let count = old.map_or(0, |old| String::from_utf8_lossy(&old.bytes).parse::<u32>().unwrap());
                Ok((Edit::Write((count + 1).to_string().into_bytes().into()), ()))
            })
            .unwrap();
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10).for_each(|_| count()));
        }
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), "80");
    assert_eq!(names(directory.path()), ["count"]);
}

#[test]
fn what_a_program_without_locks_writes_meanwhile_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "a").unwrap();
    let mut times = 0;
    ee_auth_host::system()
        .update_blocking(&path, 100, |old| {
            times += 1;
            if times < 3 {
                fs::write(&path, format!("written {times} times")).unwrap();
            }
            let old = old.map(|old| String::from_utf8_lossy(&old.bytes).into_owned()).unwrap_or_default();
            Ok((Edit::Write(format!("{old}, and changed").into_bytes().into()), ()))
        })
        .unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "written 2 times, and changed");
    // One that is changed again and again is given up.
    let outcome = ee_auth_host::system().update_blocking(&path, 100, |_| {
        times += 1;
        fs::write(&path, times.to_string()).unwrap();
        Ok((Edit::Remove, ()))
    });
    assert!(outcome.is_err() && path.exists());
}

#[test]
fn a_lock_is_never_had_twice() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    let (inside, had) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // The file goes with each lock: whoever opened it before must not take it for the next.
                while had.load(Ordering::SeqCst) < 1000 {
                    let Some(_lock) = files().try_lock(&path).unwrap() else {
                        std::thread::yield_now();
                        continue;
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    had.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
}

#[cfg(unix)]
mod unix {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn mkfifo(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        mkfifo(&path);
        assert!(matches!(files().read(&path, 10), Err(FileReadError::NotRegular(FileKind::Fifo))));
        assert_eq!(files().status(&path).unwrap().kind, FileKind::Fifo);
        let link = directory.path().join("link");
        symlink("fifo", &link).unwrap();
        assert!(matches!(files().read(&link, 10), Err(FileReadError::NotRegular(FileKind::Fifo))));
    }

    #[test]
    fn devices_and_sockets_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for path in [&socket, Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert!(
                matches!(files().read(path, 10), Err(FileReadError::NotRegular(FileKind::Other))),
                "{}",
                path.display()
            );
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_limit_holds_for_files_that_do_not_say_how_large_they_are() {
        let path = Path::new("/proc/self/status");
        assert_eq!(files().status(path).unwrap().size, 0);
        assert!(files().read(path, 1 << 20).unwrap().bytes.starts_with(b"Name:"));
        assert!(matches!(files().read(path, 10), Err(FileReadError::TooLarge { size: 11, limit: 10 })));
    }

    #[test]
    fn links_are_followed_when_reading() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&path, "content").unwrap();
        symlink("file", &link).unwrap();
        assert_eq!(files().read(&link, 10).unwrap().bytes[..], *b"content");
        assert_eq!(files().canonical(&link).unwrap(), fs::canonicalize(&path).unwrap());
        symlink("link2", directory.path().join("link2")).unwrap();
        assert!(matches!(files().read(&directory.path().join("link2"), 10), Err(FileReadError::Io(_))));
    }

    #[test]
    fn the_status_is_that_of_what_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let status = files().read(&path, 10).unwrap().status;
        assert_eq!(status.mode, Some(0o644));
        assert!(status.readable_by_others());
        assert_eq!(status.owner, ee_auth_host::system().environment.user_id());
        assert_eq!(status.device, Some(fs::metadata(&path).unwrap().dev()));
        assert_eq!(status.modified, fs::metadata(&path).unwrap().modified().ok());
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(!files().status(&path).unwrap().readable_by_others());
    }

    #[test]
    fn what_is_written_is_private() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let path = directory.path().join("a/b/credentials");
        files().write_private(&path, b"secret").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&directory.path().join("a/b")), 0o700);
        assert_eq!(mode(&directory.path().join("a")), 0o700);
        assert_eq!(mode(directory.path()), 0o755, "a directory that exists stays as it is");
        assert_eq!(names(path.parent().unwrap()), ["credentials"]);
    }

    #[test]
    fn what_is_cached_or_locked_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let (cached, lock) = (directory.path().join("a/cached"), directory.path().join("b/lock"));
        files().write_cache(&cached, b"secret").unwrap();
        let _lock = files().try_lock(&lock).unwrap();
        for file in [cached, lock] {
            assert_eq!(mode(&file), 0o600);
            assert_eq!(mode(file.parent().unwrap()), 0o700);
        }
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_write() {
        type Write = fn(&Path);
        let writes: [(&str, Write); 7] = [
            ("write_private", |path| files().write_private(path, b"new").unwrap()),
            ("write_cache", |path| files().write_cache(path, b"new").unwrap()),
            ("write_new", |path| files().write_new(path, b"new").unwrap()),
            ("write_program", |path| files().write_program(path, b"new").unwrap()),
            ("check_writable", |path| files().check_writable(path, 10).unwrap()),
            ("replace", |path| assert!(files().replace(path, None, None).unwrap())),
            ("update", |path| {
                let host = ee_auth_host::system();
                host.update_blocking(path, 10, |_| Ok((Edit::Write(b"new".to_vec().into()), ()))).unwrap();
            }),
        ];
        for (name, write) in writes {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            for left in [".ee-auth-Ab3dE9", ".ee-auth-000000"] {
                fs::write(directory.path().join(left), "secret").unwrap();
            }
            fs::set_permissions(directory.path().join(".ee-auth-000000"), Permissions::from_mode(0o000))
                .unwrap();
            fs::create_dir(directory.path().join(".ee-auth-Ab3dE8")).unwrap();
            symlink("other", directory.path().join(".ee-auth-Ab3dE7")).unwrap();
            fs::write(directory.path().join(".ee-auth-notes"), "notes").unwrap();
            fs::write(directory.path().join("other"), "").unwrap();
            write(&path);
            let mut left = names(directory.path());
            left.retain(|name| name != "file");
            assert_eq!(left, [".ee-auth-Ab3dE7", ".ee-auth-Ab3dE8", ".ee-auth-notes", "other"], "{name}");
        }
    }

    #[test]
    fn the_file_of_a_writer_that_is_alive_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let unfinished = directory.path().join(".ee-auth-Ab3dE9");
        let writer = fs::File::create(&unfinished).unwrap();
        rustix::fs::flock(&writer, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let is_named = |name: &str| name.starts_with(".ee-auth-");
        files().write_private(&directory.path().join("file"), b"new").unwrap();
        assert!(unfinished.exists() && files().abandoned(directory.path(), &is_named).is_empty());
        drop(writer);
        assert_eq!(files().abandoned(directory.path(), &is_named), [unfinished.as_path()]);
        files().remove_abandoned(directory.path(), &is_named);
        assert!(!unfinished.exists());
        // A file for another program is held for as long as it is there.
        let place = directory.path().join("temporary.json");
        let temporary = files().write_temporary(&place, b"secret").unwrap();
        let is_named = |name: &str| name == "temporary.json";
        assert!(files().abandoned(directory.path(), &is_named).is_empty());
        drop(temporary);
        assert!(!place.exists());
    }

    #[test]
    fn a_link_is_not_read_where_links_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&path, "content").unwrap();
        symlink("file", &link).unwrap();
        symlink("nowhere", directory.path().join("dangling")).unwrap();
        assert_eq!(files().read_unlinked(&path, 10).unwrap().bytes[..], *b"content");
        for link in [link, directory.path().join("dangling")] {
            let refused = files().read_unlinked(&link, 10);
            assert!(matches!(refused, Err(FileReadError::NotRegular(FileKind::Link))), "{}", link.display());
        }
        let missing = files().read_unlinked(&directory.path().join("missing"), 10);
        assert!(matches!(missing, Err(FileReadError::NotFound)));
    }

    #[test]
    fn a_lock_is_no_link() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("lock"), directory.path().join("target"));
        symlink(&target, &path).unwrap();
        assert!(files().try_lock(&path).is_err());
        assert!(!target.exists());
    }

    #[test]
    fn the_new_file_takes_the_place_of_the_old() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        // Another name for the old file: were it written in place, this would change too.
        let old = directory.path().join("old");
        fs::hard_link(&path, &old).unwrap();
        files().write_private(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&old).unwrap(), b"old");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_link_is_replaced_and_never_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("credentials"), directory.path().join("target"));
        fs::write(&target, "old").unwrap();
        symlink(&target, &path).unwrap();
        files().write_private(&path, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read(&path).unwrap(), b"new");

        let dangling = directory.path().join("dangling");
        symlink(directory.path().join("nowhere"), &dangling).unwrap();
        assert_eq!(files().write_new(&dangling, b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        files().write_private(&dangling, b"new").unwrap();
        assert!(!directory.path().join("nowhere").exists());
    }

    #[test]
    fn a_write_that_fails_leaves_everything_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        fs::create_dir(&path).unwrap();
        assert!(files().write_private(&path, b"new").is_err());
        assert_eq!(names(directory.path()), ["credentials"]);
        assert!(files().write_private(&path.join("x").join("..").join("y"), b"new").is_ok());
    }
}

/// A real list, as `setfacl -m u:1001:rw` writes it: the mode then shows the mask in the place of the group's bits.
#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stderr, reason = "a test may say that it was skipped")]
fn an_access_control_list_is_read_with_the_status() {
    use ee_auth_core::host::{AccessList, Grantee};
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plugin");
    fs::write(&path, "bytes").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let files = ee_auth_host::system().files;
    assert_eq!(files.status(&path).unwrap().access_list, None);
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (0x01_u16, 6_u16, u32::MAX),
        (0x02, 6, 1001),
        (0x04, 4, u32::MAX),
        (0x10, 6, u32::MAX),
        (0x20, 4, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let set = rustix::fs::setxattr(&path, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        eprintln!("SKIPPED: no access control lists in {}: {error}", directory.path().display());
        return;
    }
    let expected = Some(AccessList { group: 4, named: vec![(Grantee::User(1001), 6)] });
    let status = files.status(&path).unwrap();
    assert_eq!(status.mode.map(|mode| mode & 0o777), Some(0o664));
    assert_eq!(status.access_list, expected);
    assert_eq!(files.read(&path, 100).unwrap().status.access_list, expected);
    let user = Some(rustix::process::geteuid().as_raw());
    let risk = ee_auth_core::host::PathGuard::new(&*files, user).check(&path).unwrap_err();
    assert!(risk.to_string().contains("can be written by"), "{risk}");
    // `chmod go-w` changes the mask, and so takes it away.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let named = files.status(&path).unwrap().access_list.unwrap().named;
    assert_eq!(named, [(Grantee::User(1001), 4)]);
}
