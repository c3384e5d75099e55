//! passwd(5) and group(5), read without the C library's name services.

use crate::{Group, User, text};

/// Every user of a passwd file; lines that are not users (`+` entries, broken ones) are left out.
pub(crate) fn users(passwd: &[u8]) -> impl Iterator<Item = User> {
    lines(passwd).filter_map(|fields| {
        let [name, _password, uid, gid, gecos, home, shell] = fields.as_slice() else { return None };
        Some(User {
            name: name.clone(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            gecos: gecos.clone(),
            home: text::to_path(home),
            shell: text::to_path(shell),
        })
    })
}

/// Every group of a group file.
pub(crate) fn groups(group: &[u8]) -> impl Iterator<Item = Group> {
    lines(group).filter_map(|fields| {
        let [name, _password, gid, members] = fields.as_slice() else { return None };
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Group { name: name.clone(), gid: gid.parse().ok()?, members })
    })
}

/// The user of that name, else the one with that decimal id.
pub(crate) fn find_user(passwd: &[u8], name: &str) -> Option<User> {
    let id = decimal(name);
    users(passwd).find(|user| user.name == name).or_else(|| users(passwd).find(|user| Some(user.uid) == id))
}

/// The group of that name, else the one with that decimal id.
pub(crate) fn find_group(group: &[u8], name: &str) -> Option<Group> {
    let id = decimal(name);
    groups(group)
        .find(|entry| entry.name == name)
        .or_else(|| groups(group).find(|entry| Some(entry.gid) == id))
}

fn decimal(name: &str) -> Option<u32> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) { name.parse().ok() } else { None }
}

fn lines(file: &[u8]) -> impl Iterator<Item = Vec<String>> {
    file.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty() && !b"+-#".contains(&line[0]))
        .map(|line| line.split(|&byte| byte == b':').map(text::bytes_to_text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n+nis::::::\nbroken\n1001:x:7:7::/:/bin/sh\nbob:x:1001:100:B,,,:/home/bob:\n";

    #[test]
    fn a_name_goes_before_an_id() {
        assert_eq!(find_user(PASSWD, "root").unwrap().home, text::to_path("/root"));
        assert_eq!(find_user(PASSWD, "1001").unwrap().uid, 7);
        assert_eq!(find_user(PASSWD, "7").unwrap().name, "1001");
        assert_eq!(find_user(PASSWD, "nobody"), None);
        assert_eq!(find_user(PASSWD, "+7"), None);
    }

    #[test]
    fn groups_have_members() {
        let group = b"wheel:x:10:root,bob\nempty:x:11:\n";
        assert_eq!(find_group(group, "wheel").unwrap().members, ["root", "bob"]);
        assert_eq!(find_group(group, "11").unwrap().members, Vec::<String>::new());
    }
}
