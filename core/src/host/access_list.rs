//! POSIX access control lists (acl(5)).

/// `system.posix_acl_access`: the extended attribute in which Linux keeps a file's list.
pub const ACCESS_LIST_ATTRIBUTE: &str = "system.posix_acl_access";

/// What an access control list gives to others than the owner and everybody, after its mask. A file that has one shows the mask
/// where its mode has the bits of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessList {
    /// The permission bits (`rwx` as 4, 2, 1) of the file's own group.
    pub group: u32,
    /// The users and groups that it names, with their permission bits.
    pub named: Vec<(Grantee, u32)>,
}

/// Whom an access control list names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// A user, by number.
    User(u32),
    /// A group, by number.
    Group(u32),
    /// The list cannot be read, so it may be anybody.
    Unknown,
}

impl AccessList {
    /// The list in the bytes of [`ACCESS_LIST_ATTRIBUTE`] (`struct posix_acl_xattr_header`, version 2, in little endian). Bytes in
    /// another format name [`Grantee::Unknown`] with every permission, so that nothing passes by mistake.
    pub fn parse(bytes: &[u8]) -> Self {
        Self::entries(bytes).unwrap_or(Self { group: 0, named: vec![(Grantee::Unknown, 7)] })
    }

    fn entries(bytes: &[u8]) -> Option<Self> {
        const NAMED_USER: u16 = 0x02;
        const GROUP: u16 = 0x04;
        const NAMED_GROUP: u16 = 0x08;
        const MASK: u16 = 0x10;
        let entries = bytes.strip_prefix(&2_u32.to_le_bytes())?;
        let (mut list, mut mask) = (Self { group: 0, named: Vec::new() }, 7);
        let entries = entries.chunks(8);
        for entry in entries {
            let entry: [u8; 8] = entry.try_into().ok()?;
            let [tag, tag2, permissions, permissions2, id @ ..] = entry;
            let permissions = u32::from(u16::from_le_bytes([permissions, permissions2])) & 7;
            match u16::from_le_bytes([tag, tag2]) {
                NAMED_USER => list.named.push((Grantee::User(u32::from_le_bytes(id)), permissions)),
                NAMED_GROUP => list.named.push((Grantee::Group(u32::from_le_bytes(id)), permissions)),
                GROUP => list.group = permissions,
                MASK => mask = permissions,
                // The owner and everybody, whose bits the mode shows.
                0x01 | 0x20 => {}
                _ => return None,
            }
        }
        list.group &= mask;
        list.named.iter_mut().for_each(|(_, permissions)| *permissions &= mask);
        list.named.retain(|(_, permissions)| *permissions != 0);
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_mask_limits_named_users_and_groups() {
        const NOBODY: u32 = u32::MAX;
        let entries = |mask| {
            attribute(&[
                (0x01, 7, NOBODY),
                (0x02, 6, 1001),
                (0x02, 4, 1002),
                (0x04, 6, NOBODY),
                (0x08, 2, 50),
                (0x10, mask, NOBODY),
                (0x20, 4, NOBODY),
            ])
        };
        let list = AccessList::parse(&entries(7));
        assert_eq!(list.group, 6);
        assert_eq!(list.named, [(Grantee::User(1001), 6), (Grantee::User(1002), 4), (Grantee::Group(50), 2)]);
        let masked = AccessList::parse(&entries(4));
        assert_eq!(masked.group, 4);
        assert_eq!(masked.named, [(Grantee::User(1001), 4), (Grantee::User(1002), 4)]);
    }

    #[test]
    fn a_list_that_cannot_be_read_may_name_anybody() {
        let whole = attribute(&[(0x01, 7, 0), (0x02, 6, 1001)]);
        let mut other_version = whole.clone();
        other_version[0] = 3;
        for bytes in
            [&b""[..], b"\x02\0", &whole[..whole.len() - 1], &other_version, &attribute(&[(0x40, 7, 0)])]
        {
            assert_eq!(AccessList::parse(bytes).named, [(Grantee::Unknown, 7)], "{bytes:?}");
        }
    }
}
