//! User and group names to numbers, from `/etc/passwd` and `/etc/group`, passwd(5) and group(5).
//!
//! libc's functions would load modules and may ask the network; these two files are all a router has.

use crate::file::text;
use supervisor::{
    cut,
    problem::{Problem, problem},
    spawn::Identity,
};

/// The longest file that is read, in bytes.
const MAX_FILE: usize = 256 * 1024;

/// A line of `/etc/passwd`, as far as it is needed.
struct User {
    uid: u32,
    gid: u32,
    home: String,
}

/// Who a service runs as, and where it is at home.
#[derive(Debug)]
pub struct Account {
    /// The numbers.
    pub identity: Identity,
    /// The home directory, if the user is listed.
    pub home: Option<String>,
}

/// The account of the names or numbers in a definition; an error says which is unknown.
///
/// Without `groups`, a user given by name is also in the groups that list it.
pub fn account(
    user: Option<&str>,
    group: Option<&str>,
    groups: &[String],
) -> Result<Option<Account>, Problem> {
    if user.is_none() && group.is_none() && groups.is_empty() {
        return Ok(None);
    }
    // Without the files there are no names, only numbers.
    let passwd = text("/etc/passwd", MAX_FILE);
    let listed = text("/etc/group", MAX_FILE);
    let user_line = user.and_then(|name| find_user(&passwd, name));
    let uid = match (user, &user_line) {
        (None, _) => rustix::process::geteuid().as_raw(),
        (Some(_), Some(line)) => line.uid,
        (Some(name), None) => {
            number(name).ok_or_else(|| problem!("user {name} is not in /etc/passwd"))?
        }
    };
    let gid = match (group, &user_line) {
        (Some(name), _) => find_group(&listed, name)?,
        (None, Some(line)) => line.gid,
        (None, None) if user.is_some() => uid,
        (None, None) => rustix::process::getegid().as_raw(),
    };
    let mut numbers = Vec::new();
    for name in groups {
        numbers.push(find_group(&listed, name)?);
    }
    if groups.is_empty()
        && let Some(name) = user
    {
        numbers = groups_of(&listed, name);
    }
    let home = user_line.map(|line| line.home);
    Ok(Some(Account { identity: Identity { uid, gid, groups: numbers }, home }))
}

fn number(text: &str) -> Option<u32> {
    supervisor::decimal::number(text)
}

fn find_user(passwd: &str, name: &str) -> Option<User> {
    let wanted = number(name);
    cut::lines(passwd).find_map(|line| {
        let mut fields = cut::parts(line, b':');
        let found = fields.next()?;
        let uid = number(fields.nth(1)?)?;
        let (gid, home) = (fields.next()?, fields.nth(1)?);
        let matches = found == name || Some(uid) == wanted;
        matches.then(|| Some(User { uid, gid: number(gid)?, home: home.to_owned() }))?
    })
}

fn find_group(listed: &str, name: &str) -> Result<u32, Problem> {
    let found = cut::lines(listed).find_map(|line| {
        let mut fields = cut::parts(line, b':');
        (fields.next()? == name).then(|| number(fields.nth(1)?))?
    });
    found.or_else(|| number(name)).ok_or_else(|| problem!("group {name} is not in /etc/group"))
}

fn groups_of(listed: &str, user: &str) -> Vec<u32> {
    let one = |line: &str| {
        let mut fields = cut::parts(line, b':');
        let gid = number(fields.nth(2)?)?;
        cut::parts(fields.next()?, b',').any(|member| member == user).then_some(gid)
    };
    let mut numbers = Vec::new();
    for line in cut::lines(listed) {
        if let Some(gid) = one(line) {
            numbers.push(gid);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:34::/srv:/bin/false\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\nlog:x:4:other,web\nbad:x:y:web\n";

    #[test]
    fn lines_are_found_by_name_and_number() {
        let web = find_user(PASSWD, "web").unwrap();
        assert_eq!((web.uid, web.gid, web.home.as_str()), (33, 34, "/srv"));
        assert_eq!(find_user(PASSWD, "33").unwrap().gid, 34);
        assert!(find_user(PASSWD, "broken").is_none());
        assert_eq!(find_group(GROUP, "log"), Ok(4));
        assert_eq!(find_group(GROUP, "77"), Ok(77));
        assert!(find_group(GROUP, "nope").unwrap_err().contains("nope"));
        assert_eq!(groups_of(GROUP, "web"), [4]);
        assert_eq!(groups_of(GROUP, "we"), [] as [u32; 0]);
    }
}
