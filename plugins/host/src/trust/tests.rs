use ee_auth_core::host::{AccessList, Grantee};
use ee_auth_fake::{Entry, Fake, Node};

use super::*;

const FILE: &str = "/opt/corp/plugin";

fn at(mode: u32, owner: Option<u32>, node: Node) -> Entry {
    Entry { mode: Some(mode), owner, ..Entry::new(node) }
}

/// A machine on which a plugin lies as it should.
fn machine() -> Fake {
    Fake::new()
        .with_entry("/", at(0o755, Some(0), Node::Directory))
        .with_entry("/opt", at(0o755, Some(0), Node::Directory))
        .with_entry("/opt/corp", at(0o755, None, Node::Directory))
        .with_entry(FILE, at(0o755, None, Node::File(b"bytes".to_vec())))
}

fn code(fake: &Fake, path: &str) -> String {
    match vouch(&fake.host(), Path::new(path), None) {
        Ok(_) => "trusted".to_owned(),
        Err(error) => {
            assert!(error.next_step().is_some(), "{error:?}");
            error.code().to_string()
        }
    }
}

#[test]
fn what_only_the_user_and_root_can_write_is_trusted() {
    assert_eq!(code(&machine(), FILE), "trusted");
    let roots = machine().with_entry(FILE, at(0o755, Some(0), Node::File(Vec::new())));
    assert_eq!(code(&roots, FILE), "trusted");
}

#[test]
fn what_others_can_write_is_not() {
    let file = || Node::File(b"bytes".to_vec());
    for (path, entry, expected) in [
        (FILE, at(0o757, None, file()), "untrusted.permissions"),
        (FILE, at(0o775, None, file()), "untrusted.permissions"),
        (FILE, at(0o755, Some(1001), file()), "untrusted.owner"),
        ("/opt/corp", at(0o777, None, Node::Directory), "untrusted.permissions"),
        ("/opt", at(0o755, Some(1001), Node::Directory), "untrusted.owner"),
        ("/opt", at(0o775, Some(0), Node::Directory), "untrusted.permissions"),
        (FILE, at(0o755, None, Node::Directory), "invalid.no_file"),
        (FILE, at(0o755, None, Node::Fifo), "invalid.no_file"),
    ] {
        assert_eq!(code(&machine().with_entry(path, entry.clone()), FILE), expected, "{path} {entry:?}");
    }
    assert_eq!(code(&machine(), "/opt/corp/other"), "invalid.no_such_file");
    assert_eq!(code(&machine(), "/opt/corp/../corp/plugin"), "invalid.path");
}

/// There, nobody can tell root's files from other users'.
#[test]
fn in_a_user_namespace_the_hint_says_so() {
    let nobodys = || at(0o755, Some(65_534), Node::Directory);
    let fake = machine().with_entry("/", nobodys()).with_entry("/opt", nobodys());
    let hint = |fake: &Fake| {
        let error = vouch(&fake.host(), Path::new(FILE), None).map(drop).unwrap_err();
        error.next_step().unwrap_or_default().to_owned()
    };
    assert!(hint(&fake).contains("`exec --isolate never`"), "{}", hint(&fake));
    let another = machine().with_entry("/opt", nobodys());
    assert!(!hint(&another).contains("namespace"), "{}", hint(&another));
}

#[test]
fn a_sticky_directory_passes_where_what_is_entered_is_not_anothers() {
    let fake = machine()
        .with_entry("/tmp", at(0o1777, Some(0), Node::Directory))
        .with_entry("/tmp/mine", at(0o700, None, Node::Directory))
        .with_entry("/tmp/mine/plugin", at(0o700, None, Node::File(Vec::new())))
        .with_entry("/tmp/theirs", at(0o755, Some(1001), Node::Directory))
        .with_entry("/tmp/theirs/plugin", at(0o755, None, Node::File(Vec::new())))
        .with_entry("/tmp/my-link", at(0o777, None, Node::Link(PathBuf::from(FILE))))
        .with_entry("/tmp/link", at(0o777, Some(1001), Node::Link(PathBuf::from(FILE))));
    assert_eq!(code(&fake, "/tmp/my-link"), "trusted");
    assert_eq!(code(&fake, "/tmp/mine/plugin"), "trusted");
    assert_eq!(code(&fake, "/tmp/theirs/plugin"), "untrusted.owner");
    assert_eq!(code(&fake, "/tmp/link"), "untrusted.owner");
}

#[test]
fn every_link_on_the_way_is_looked_at_with_its_directory() {
    let link = |target: &str| at(0o777, None, Node::Link(PathBuf::from(target)));
    let fake = machine()
        .with_entry("/srv", at(0o755, Some(0), Node::Directory))
        .with_entry("/srv/shared", at(0o777, Some(0), Node::Directory))
        .with_entry("/srv/shared/current", link(FILE))
        .with_entry("/srv/mine", at(0o755, None, Node::Directory))
        .with_entry("/srv/mine/current", link("../../opt/corp"))
        .with_entry("/opt/good", link("/srv/mine/current/plugin"))
        .with_entry("/opt/bad", link("/srv/shared/current"))
        .with_entry("/opt/round", link("round"));
    assert_eq!(code(&fake, "/opt/good"), "trusted");
    // The first and the last are as they should be: what lies between leads wherever somebody wants.
    assert_eq!(code(&fake, "/opt/bad"), "untrusted.permissions");
    assert_eq!(code(&fake, "/opt/round"), "invalid.no_such_file");
}

#[test]
fn a_group_passes_only_if_nobody_else_is_in_it() {
    let shared = || machine().with_entry("/opt/corp", at(0o775, None, Node::Directory));
    let passwd = "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/home/user:/bin/sh\n";
    for (passwd, group, expected) in [
        (passwd.to_owned(), "root:x:0:\nada:x:1000:\n", "trusted"),
        (passwd.to_owned(), "ada:x:1000:ada\n", "trusted"),
        (passwd.to_owned(), "ada:x:1000:ada,eve\n", "untrusted.permissions"),
        (passwd.to_owned(), "root:x:0:\n", "untrusted.permissions"),
        (format!("{passwd}eve:x:1001:1000::/:/bin/sh\n"), "ada:x:1000:\n", "untrusted.permissions"),
    ] {
        let fake = shared().with_file("/etc/passwd", passwd).with_file("/etc/group", group);
        assert_eq!(code(&fake, FILE), expected, "{group}");
    }
}

#[test]
fn whom_an_access_control_list_names_counts_as_others() {
    let passwd = "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/home/user:/bin/sh\n";
    // The mode has the list's mask where the bits of the group are, and the group is ada's own.
    let listed = |node: Node, group, named: &[(Grantee, u32)]| Entry {
        access_list: Some(AccessList { group, named: named.to_vec() }),
        ..at(0o775, None, node)
    };
    let file = || Node::File(b"bytes".to_vec());
    let (read, write) = (5, 6);
    for (path, entry, expected) in [
        (FILE, listed(file(), write, &[(Grantee::User(1001), read)]), "trusted"),
        (FILE, listed(file(), read, &[(Grantee::User(0), write), (Grantee::User(1000), write)]), "trusted"),
        (FILE, listed(file(), read, &[(Grantee::Group(1000), write)]), "trusted"),
        (FILE, listed(file(), read, &[(Grantee::User(1001), write)]), "untrusted.permissions"),
        (FILE, listed(file(), read, &[(Grantee::Group(50), write)]), "untrusted.permissions"),
        (FILE, listed(file(), read, &[(Grantee::Unknown, 7)]), "untrusted.permissions"),
        ("/opt/corp", listed(Node::Directory, read, &[(Grantee::User(1001), 7)]), "untrusted.permissions"),
        ("/opt", listed(Node::Directory, read, &[(Grantee::Group(50), 7)]), "untrusted.permissions"),
    ] {
        let fake = machine()
            .with_file("/etc/passwd", passwd)
            .with_file("/etc/group", "ada:x:1000:\n")
            .with_entry(path, entry.clone());
        assert_eq!(code(&fake, FILE), expected, "{path} {entry:?}");
    }
    let fake = machine()
        .with_file("/etc/passwd", passwd)
        .with_file("/etc/group", "ada:x:1000:\n")
        .with_entry(FILE, listed(file(), read, &[(Grantee::User(1001), write)]));
    let error = vouch(&fake.host(), Path::new(FILE), None).err().unwrap();
    assert!(error.message().contains("user 1001, whom its access control list names"), "{error}");
}

#[test]
fn a_pin_must_fit_and_what_was_hashed_is_what_runs() {
    let fake = machine();
    let host = fake.host();
    let pin = Pin::of(b"bytes");
    assert_eq!(Pin::parse(&pin.to_string().to_uppercase()).unwrap(), pin);
    assert_eq!(Pin::parse(&format!("sha256:{pin}")).unwrap(), pin);
    for text in ["", "xyz", &pin.to_string()[1..], &format!("{pin}0"), &"g".repeat(64), &"é".repeat(32)] {
        assert_eq!(Pin::parse(text).unwrap_err().code(), "invalid.sha256", "{text}");
    }
    let vouched = vouch(&host, Path::new(FILE), Some(&pin)).unwrap();
    fake.set_entry(FILE, at(0o755, None, Node::File(b"other".to_vec())));
    let copy = private_copy(&host, &vouched).unwrap();
    assert_eq!(fake.file(&copy).unwrap(), "bytes");
    assert_eq!(fake.entry(&copy).unwrap().mode, Some(0o500));
    assert_eq!(copy.file_name(), Path::new(FILE).file_name());
    let error = vouch(&host, Path::new(FILE), Some(&pin)).err().unwrap();
    assert_eq!(error.code(), "untrusted.sha256");
    // Whatever was put into the copy's place is replaced.
    fake.set_entry(&copy, at(0o500, None, Node::File(b"other".to_vec())));
    assert_eq!(fake.file(private_copy(&host, &vouched).unwrap()).unwrap(), "bytes");
    // A cache that others can write is no place for it.
    let above = copy.parent().unwrap().parent().unwrap();
    fake.set_entry(above, at(0o777, None, Node::Directory));
    let error = private_copy(&host, &vouched).unwrap_err();
    assert_eq!(error.message().matches("nothing was run").count(), 1, "{error}");
    assert!(error.next_step().unwrap().contains(&format!("chmod go-w {}", above.display())), "{error:?}");
}
