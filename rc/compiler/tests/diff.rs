//! `jambc diff`: what a switch from one set of services to another would do, and why.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use serde_json::Value;
use std::process::Output;
use tree::{Tree, text};

const OLD: &str = r#"
[service.default]
kind = "bundle"
contents = ["wan", "route", "dns", "lan", "telnet"]

[service.lan]
kind = "oneshot"
up = ["ip", "link", "set", "eth0", "up"]
outputs.ifname = { type = "ifname", value = "eth0" }

[service.wan]
kind = "longrun"
run = ["udhcpc", "-f"]
outputs.router = "ipv4"

[service.route]
kind = "oneshot"
up = ["ip", "route", "add", "default", "via", "${wan.router}"]

[service.conf]
kind = "file"
path = "/run/dns.conf"
text = "interface=${lan.ifname}\n"

[service.dns]
kind = "longrun"
run = ["dnsmasq", "-k"]
needs = ["conf"]
on-change.conf = "signal HUP"

[service.telnet]
kind = "longrun"
run = ["telnetd", "-F"]

[service.spare]
kind = "longrun"
run = ["sleep", "inf"]
"#;

/// The comparison of two trees, one of which is compiled first.
fn diff(old: &str, new: &str, more: &[&str]) -> Output {
    let tree = Tree::of(old);
    tree.compile(&[]);
    tree.write("new/a.toml", new);
    let mut arguments = vec!["diff", "out.db", "new"];
    arguments.extend(more);
    tree.jambc(&arguments)
}

/// Every service with its status, action and reasons, as far as a switch touches it.
fn actions(new: &str) -> Vec<String> {
    let output = diff(OLD, new, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["equal"], false);
    let services = json["services"].as_array().unwrap().iter();
    let touched = services.filter(|one| one["action"] != "keep" || one["status"] != "kept");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |one: &Value| {
        let because: Vec<String> = one["because"].as_array().unwrap().iter().map(word).collect();
        let [name, status, action] = ["name", "status", "action"].map(|key| word(&one[key]));
        format!("{name} {status} {action} {}", because.join("; ")).trim_end().to_owned()
    };
    touched.map(line).collect()
}

/// A device would not notice.
#[test]
fn what_is_only_for_people_restarts_nothing() {
    let described = OLD.replace("[service.dns]\n", "[service.dns]\ndescription = \"names\"\n");
    assert_eq!(actions(&described), ["dns changed keep nothing of it concerns its processes"]);
}

#[test]
fn equal_sets_are_equal_whatever_their_files_look_like() {
    let output = diff(OLD, &format!("# a comment\n{OLD}"), &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("equal: content id "), "{}", text(&output.stdout));
    let json = diff(OLD, OLD, &["--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["equal"], true);
    let kept = json["services"].as_array().unwrap().iter().all(|one| one["action"] == "keep");
    assert!(kept);
}

#[test]
fn a_changed_command_restarts_the_service_and_what_needs_it() {
    assert_eq!(
        actions(&OLD.replace("\"-f\"", "\"-f\", \"-q\"")),
        [
            "default kept restart not ready before route, wan is",
            "route kept restart needs wan, which restarts",
            "wan changed restart",
        ]
    );
}

#[test]
fn whatever_changes_restarts_the_service() {
    let new = OLD.replace(
        "run = [\"telnetd\"",
        "description = \"t\"\ntimeout-down = \"1s\"\nrun = [\"telnetd\"",
    );
    assert_eq!(
        actions(&new),
        ["default kept restart not ready before telnet is", "telnet changed restart",]
    );
}

#[test]
fn a_file_with_new_content_makes_its_reader_act_as_its_edge_says() {
    assert_eq!(
        actions(&OLD.replace("interface=", "except=")),
        ["conf changed restart", "dns kept react signal HUP, if conf is different then",]
    );
}

#[test]
fn a_new_constant_value_reaches_its_readers() {
    assert_eq!(
        actions(&OLD.replace("value = \"eth0\"", "value = \"eth1\"")),
        [
            "conf kept react render, if lan is different then",
            "default kept restart not ready before lan is",
            "dns kept react signal HUP, if conf is different then",
            "lan changed restart",
        ]
    );
}

#[test]
fn services_come_and_go() {
    let new =
        OLD.replace(", \"telnet\"]", ", \"ssh\"]").replace("[service.telnet]", "[service.ssh]");
    assert_eq!(
        actions(&new),
        ["default changed restart", "ssh added start new", "telnet removed stop no longer defined",]
    );
    // What boot does not start is not touched.
    let new = OLD.replace(", \"telnet\"]", "]").replace("service.spare", "service.other");
    assert_eq!(
        actions(&new),
        [
            "default changed restart",
            "other added keep new, but boot does not start it",
            "spare removed keep no longer defined, but boot did not start it",
            "telnet kept stop boot no longer starts it",
        ]
    );
}

#[test]
fn a_bundle_that_can_do_without_a_member_stays() {
    let any = |definitions: &str| definitions.replace("\"telnet\"]", "\"telnet\"]\nready-when = 4");
    let tree = Tree::of(&any(OLD));
    tree.write("new/a.toml", &any(&OLD.replace("telnetd", "busybox")));
    let json: Value =
        serde_json::from_slice(&tree.jambc(&["diff", "services", "new", "--json"]).stdout).unwrap();
    let of = |name: &str| {
        let mut all = json["services"].as_array().unwrap().iter();
        all.find(|one| one["name"] == name).unwrap()["action"].clone()
    };
    assert_eq!((of("telnet"), of("default")), ("restart".into(), "keep".into()));
}

#[test]
fn a_failover_takes_another_alternative_while_the_preferred_one_restarts() {
    let more = "
[service.uplink]
kind = 'failover'
alternatives = ['fibre', 'lte']
outputs = { peer = 'ipv4' }
part-of = ['default']
[service.fibre]
kind = 'longrun'
run = ['pppd']
outputs.peer = 'ipv4'
[service.lte]
kind = 'longrun'
run = ['qmi']
outputs.peer = 'ipv4'
[service.user]
kind = 'longrun'
run = ['user', '${uplink.peer}']
";
    let tree = Tree::of(&format!("{OLD}{more}"));
    let check = |from: &str, to: &str, expected: &[&str]| {
        tree.write("new/a.toml", &format!("{OLD}{more}").replace(from, to));
        let output = tree.jambc(&["diff", "services", "new"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        for line in expected {
            assert!(said.contains(line), "{line}:\n{said}");
        }
    };
    check(
        "'pppd'",
        "'pppoe'",
        &[
            "restart  uplink   its preferred alternative fibre is away meanwhile",
            "~ restart  fibre    run: [\"pppd\"] -> [\"pppoe\"]",
        ],
    );
    check(
        "['fibre', 'lte']",
        "['lte', 'fibre']",
        &["~ restart  uplink   alternatives: [\"fibre\",\"lte\"] -> [\"lte\",\"fibre\"]"],
    );
}

#[test]
fn new_numbers_are_no_reason_to_restart() {
    let new = format!("{OLD}[service.a]\nkind = 'oneshot'\n");
    let new_numbers = actions(&new);
    assert!(new_numbers.contains(&"route kept re-link".to_owned()), "{new_numbers:?}");
    assert!(!new_numbers.iter().any(|one| one.contains("restart")), "{new_numbers:?}");
    let said = text(&diff(OLD, &new, &[]).stdout);
    assert!(
        said.ends_with("8 of 9 services stay as they are, 4 of them under new numbers\n"),
        "{said}"
    );
}

#[test]
fn people_read_it_like_this() {
    let new = OLD
        .replace("\"-f\"", "\"-f\", \"-q\"")
        .replace("needs = [\"conf\"]", "needs = [\"conf\"]\nafter = [\"wan\"]\nuser = \"nobody\"")
        + "[system]\nhostname = \"r\"\n";
    let said = text(&diff(OLD, &new, &[]).stdout);
    let expected = r#"  restart  default  not ready before dns, route, wan is
~ restart  dns      now after wan
                    user: now "nobody"
  restart  route    needs wan, which restarts
~ restart  wan      run: ["udhcpc","-f"] -> ["udhcpc","-f","-q"]
[system] hostname: now "r"
4 of 8 services stay as they are
"#;
    assert_eq!(said, expected);
}

#[test]
fn a_side_that_does_not_compile_is_no_difference() {
    let output = diff(OLD, "[service.a]\nkind = 'bundel'\n", &[]);
    assert_eq!(output.status.code(), Some(111));
    let said = text(&output.stderr);
    assert!(said.contains("jambc: new has errors:\nnew/a.toml:2:8: error[J0004]"), "{said}");
    assert_eq!(diff(OLD, OLD, &["--board", "missing"]).status.code(), Some(111));
    let tree = Tree::of(OLD);
    assert_eq!(tree.jambc(&["diff", "services", "missing"]).status.code(), Some(111));
    assert_eq!(tree.jambc(&["diff", "services"]).status.code(), Some(100));
}
