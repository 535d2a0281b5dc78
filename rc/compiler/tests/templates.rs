//! Templates: an instance is what a person would have written, and the shipped templates work.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use jambc::{parse, source::Sources, template::Kind};
use std::path::{Path, PathBuf};
use tree::{Tree, service, text};

/// Both trees compile to the same bytes.
fn same(with: &str, without: &str) {
    let (with, without) = (Tree::of(with), Tree::of(without));
    let (one, two) = (with.compile(&[]), without.compile(&[]));
    if one != two {
        let shown = |tree: &Tree| text(&tree.jambc(&["show", "out.db"]).stdout);
        assert_eq!(shown(&with), shown(&without));
    }
    assert_eq!(one, two);
}

const SOURCE: &str = "
[service.default]
kind = 'bundle'
contents = ['source']
[service.source]
kind = 'longrun'
run = ['source']
outputs = { ifname = 'ifname', servers = 'list<ipv4>', key = 'secret' }
";

#[test]
fn parameters_are_put_into_strings_and_stand_for_numbers_and_lists() {
    let template = "
[board]
port = 'eth7'
fd = 5
[template.t]
kind = 'longrun'
run = ['daemon', '{{ifname}}', '--x={{ifname}}:{{count}}', '{{more}}', 'end']
ready = { fd = '{{fd}}' }
env = { A = '{{flag}}', B = '{{word}}{{ word }}', '{{word}}' = '{{name}}' }
timeout-start = '{{limit}}'
limits = { core = '{{size}}' }
down-signal = '{{signal}}'
needs = ['{{other}}', 'source']
[template.t.params]
ifname = { type = 'ifname' }
count = { type = 'int', default = 5, min = 1, max = 9 }
fd = { type = 'int' }
flag = { type = 'bool', default = true }
word = { type = 'string', default = '${' }
limit = { type = 'duration', default = '1m' }
size = { type = 'size', default = '2K' }
signal = { type = 'enum', values = ['INT', 'HUP'], default = 'HUP' }
more = { type = 'list<path>', default = [] }
other = { type = 'service', default = 'source' }
[service.one]
template = 't'
params = { ifname = '{{board.port}}', fd = '{{board.fd}}', word = 'W', more = ['/a', '/b'] }
part-of = ['default']
[service.two]
template = 't'
params = { ifname = '${source.ifname}', fd = 3, count = 7, flag = false, word = 'V', signal = 'INT' }
part-of = ['default']
";
    let plain = "
[service.one]
kind = 'longrun'
run = ['daemon', 'eth7', '--x=eth7:5', '/a', '/b', 'end']
ready = { fd = 5 }
env = { A = true, B = 'WW', W = 'one' }
timeout-start = '1m'
limits = { core = 2048 }
down-signal = 'HUP'
needs = ['source']
part-of = ['default']
[service.two]
kind = 'longrun'
run = ['daemon', '${source.ifname}', '--x=${source.ifname}:7', 'end']
ready = { fd = 3 }
env = { A = 'false', B = 'VV', V = 'two' }
timeout-start = '1m'
limits = { core = 2048 }
down-signal = 'INT'
needs = ['source']
part-of = ['default']
";
    same(&format!("{SOURCE}{template}"), &format!("{SOURCE}{plain}"));
}

#[test]
fn loops_over_lists_are_repeated_and_those_over_outputs_stay() {
    let template = |params: &str| {
        format!(
            "{SOURCE}
[template.conf]
kind = 'file'
path = '/run/{{{{name}}}}'
text = '''
head
{{% for s in servers %}}
server {{{{s}}}} of {{{{name}}}}
{{% endfor %}}
in one line:{{% for s in servers %}} {{{{ s }}}}{{% endfor %}}
'''
params.servers = {{ type = 'list<ip>' }}
[service.conf]
template = 'conf'
params.servers = {params}
needs = ['source']
part-of = ['default']
"
        )
    };
    let plain = |text: &str| {
        format!(
            "{SOURCE}[service.conf]\nkind = 'file'\npath = '/run/conf'\nneeds = ['source']\n\
             part-of = ['default']\ntext = '''\n{text}'''"
        )
    };
    same(
        &template("['192.0.2.1', '2001:db8::1']"),
        &plain(
            "head\nserver 192.0.2.1 of conf\nserver 2001:db8::1 of conf\n\
             in one line: 192.0.2.1 2001:db8::1\n",
        ),
    );
    same(&template("[]"), &plain("head\nin one line:\n"));
    same(
        &template("'${source.servers}'"),
        &plain(
            "head\n{% for s in source.servers %}\nserver {{s}} of conf\n{% endfor %}\n\
             in one line:{% for s in source.servers %} {{ s }}{% endfor %}\n",
        ),
    );
}

#[test]
fn a_template_makes_several_services_and_uses_others() {
    let with = "
[template.outer]
main = { template = 'inner', params = { word = 'x-{{word}}' }, needs = ['{{name}}-conf'] }
params.word = { type = 'string' }
services.conf = { kind = 'file', path = '/run/{{name}}', text = '{{word}} ${{{name}}-extra.port}' }
services.extra = { template = 'inner', params = { word = '{{name}}' } }
[template.inner]
kind = 'oneshot'
up = ['run', '{{word}}', '{{name}}']
outputs.port = { type = 'int', value = 5 }
params.word = { type = 'string' }
[service.a]
template = 'outer'
params.word = 'W'
part-of = ['default']
";
    let plain = "
[service.a]
kind = 'oneshot'
up = ['run', 'x-W', 'a']
outputs.port = { type = 'int', value = 5 }
needs = ['a-conf']
part-of = ['default']
[service.a-conf]
kind = 'file'
path = '/run/a'
text = 'W ${a-extra.port}'
[service.a-extra]
kind = 'oneshot'
up = ['run', 'a', 'a-extra']
outputs.port = { type = 'int', value = 5 }
";
    same(&format!("{SOURCE}{with}"), &format!("{SOURCE}{plain}"));
}

#[test]
fn an_instance_adds_to_lists_and_tables_and_replaces_the_rest() {
    let with = "
[template.t]
kind = 'longrun'
run = ['x']
needs = ['source']
env = { A = '1', B = '2' }
when = { path = '/a' }
restart = { max = 3 }
user = 'root'
[service.s]
template = 't'
needs = ['more']
env = { B = '3', C = '4' }
when = [{ path = '/b' }, { link = 'eth0' }]
restart = 'never'
description = 'own'
part-of = ['default']
[service.more]
kind = 'oneshot'
";
    let plain = "
[service.s]
kind = 'longrun'
run = ['x']
needs = ['source', 'more']
env = { A = '1', B = '3', C = '4' }
when = [{ path = '/a' }, { path = '/b' }, { link = 'eth0' }]
restart = 'never'
user = 'root'
description = 'own'
part-of = ['default']
[service.more]
kind = 'oneshot'
";
    same(&format!("{SOURCE}{with}"), &format!("{SOURCE}{plain}"));
}

#[test]
fn a_layer_changes_parameters_and_templates() {
    let tree = Tree::of(&format!(
        "{SOURCE}[template.t]\nkind = 'oneshot'\nup = ['{{{{a}}}}', '{{{{b}}}}']\n\
         params.a = {{ type = 'string' }}\nparams.b = {{ type = 'string', default = 'b' }}\n\
         [service.s]\ntemplate = 't'\nparams.a = 'a'\npart-of = ['default']"
    ));
    tree.write("one/a.toml", "[service.s]\noverride = true\nparams.b = 'B'");
    tree.write("two/a.toml", "[template.t]\noverride = true\nup = ['{{b}}', 'two']");
    let up = |more: &[&str]| format!("{:?}", service(&tree.database(more), "s").kind);
    assert!(up(&["one"]).contains("[Literal(\"a\")], [Literal(\"B\")]"), "{}", up(&["one"]));
    let both = up(&["one", "two"]);
    assert!(both.contains("[Literal(\"B\")], [Literal(\"two\")]"), "{both}");
}

#[test]
fn what_is_given_for_a_parameter_is_only_data() {
    let with = "[template.t]\nkind = 'oneshot'\nup = ['{{a}}']\nparams.a = { type = 'string' }\n\
                [service.s]\ntemplate = 't'\nparams.a = '{{b}} {% for x in source.servers %} {'\n\
                part-of = ['default']";
    let db = Tree::of(&format!("{SOURCE}{with}")).database(&[]);
    let found = format!("{:?}", service(&db, "s").kind);
    assert!(found.contains("{{b}} {% for x in source.servers %} {"), "{found}");
}

fn boards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../boards")
}

/// So they are whole by themselves, and what their examples name besides is taken for granted.
#[test]
fn the_shipped_templates_are_sound_unused() {
    let tree = Tree::of("[service.default]\nkind = 'bundle'");
    let templates = boards().join("templates");
    let output = tree.jambc(&["check", templates.to_str().unwrap(), "services"]);
    assert_eq!(text(&output.stderr), "");
}

/// An instance of every template that is shipped, with its examples and defaults.
#[test]
fn the_shipped_templates_compile_with_their_examples() {
    let tree = Tree::of(
        "[service.default]\nkind = 'bundle'\ncontents = ['lan', 'home', 'wlan', 'line', 'wan']\n\
         [service.secrets]\nkind = 'longrun'\nrun = ['secrets']\n\
         outputs = { isp = 'secret', wlan = 'secret' }\n\
         [service.link-wan]\ntemplate = 'link'\nparams.ifname = 'eth0'\n\
         [service.link-lan]\ntemplate = 'bridge'\nparams.ports = ['eth1', 'eth2']\n\
         [service.lan]\ntemplate = 'address'\n\
         params = { interface = '${link-lan.ifname}', address = '192.168.1.1/24' }\n\
         [service.home]\ntemplate = 'dnsmasq'\nneeds = ['lan']\nparams = { interface = '${link-lan.ifname}', \
         first = '192.168.1.100', last = '192.168.1.199', more = ['domain=home.arpa'] }\n\
         [service.wlan]\ntemplate = 'hostapd'\n\
         params = { ifname = 'wlan0', ssid = 'home', passphrase = '${secrets.wlan}' }\n\
         [service.vlan7]\ntemplate = 'vlan'\n\
         params = { interface = '${link-wan.ifname}', ifname = 'eth0.7', id = 7 }\n\
         [service.line]\ntemplate = 'pppoe'\nparams = { interface = '${vlan7.ifname}', \
         username = 'fred@isp.example', password = '${secrets.isp}' }\n\
         [service.wan]\ntemplate = 'dhcp-client'\nparams.interface = '${link-wan.ifname}'",
    );
    let templates = boards().join("templates");
    let templates = templates.to_str().unwrap();
    let output = tree.jambc(&["check", templates, "services"]);
    assert_eq!(text(&output.stderr), "");
    tree.jambc(&["compile", templates, "services", "-o", "out.db"]);
    let shown = text(&tree.jambc(&["show", "out.db"]).stdout);
    for line in [
        "[service.line-options]",
        "path = \"/run/ppp-line.options\"",
        "mode = \"0600\"",
        "password \\\"${secrets.isp}\\\"",
        "nic-${vlan7.ifname}",
        "\"pppd\", \"file\", \"/run/ppp-line.options\"]",
        "exec pppd nodetach set JAMB_SERVICE=",
        "when = { device = { subsystem = \"net\", name = \"wlan0\" } }",
        "domain=home.arpa",
        "\"bridge\", \"br0\", \"eth1\", \"eth2\"]",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
}

#[test]
fn templates_can_be_read_without_services() {
    let mut sources = Sources::default();
    let files = sources.read_tree(&boards().join("templates")).unwrap();
    let report = jambc::diag::Report::default();
    let definitions = parse::parse(&sources, &files, None, &report);
    assert!(!report.has_errors());
    let pppoe = &definitions.templates["pppoe"];
    assert!(pppoe.doc.contains("PPPoE") && pppoe.services.len() == 1);
    let mtu = pppoe.params.iter().find(|param| param.name.value == "mtu").unwrap();
    assert_eq!(mtu.kind.to_string(), "int");
    assert_eq!(mtu.max.as_ref().unwrap().text, "1500");
    assert!(matches!(mtu.kind, Kind::One(_)) && !mtu.doc.is_empty());
    for template in definitions.templates.values() {
        assert!(!template.doc.is_empty(), "{}", template.name.value);
        for param in &template.params {
            assert!(!param.doc.is_empty(), "{}.{}", template.name.value, param.name.value);
        }
    }
}
