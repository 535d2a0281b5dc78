//! How long compiling takes: 1,000 and 10,000 services of the kinds that routers have, from text to
//! database. Prints the best of a few runs and fails above the bound: `cargo bench -p jambc`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints and fails")]

use jambc::{compile_sources, source::Sources};
use std::{fmt::Write as _, time::Instant};

/// Services and the bound in milliseconds, on the development machine.
const SIZES: &[(usize, u128)] = &[(1_000, 200), (10_000, 2_000)];

const RUNS: usize = 5;

/// A set of services: chains of needs, references, files with loops, conditions, instances.
fn definitions(count: usize) -> String {
    let mut out = String::from(
        "[service.default]\nkind = 'bundle'\n\
         [template.address]\nkind = 'oneshot'\n\
         up = ['ip', 'address', 'replace', '{{address}}', 'dev', '{{interface}}']\n\
         params.interface = { type = 'ifname' }\nparams.address = { type = 'cidr' }\n",
    );
    for number in 0..count {
        let before = number.saturating_sub(5);
        let link = number - number % 5;
        let text = match number % 5 {
            0 => format!(
                "kind = 'longrun'\nrun = ['daemon', '--number', '{number}', '--verbose']\n\
                 outputs = {{ ifname = 'ifname', servers = 'list<ip>' }}\n\
                 user = 'nobody'\nenv = {{ A = '1', B = 'two' }}\n\
                 restart = {{ policy = 'always', backoff = '1s..30s' }}\n"
            ),
            1 => format!(
                "kind = 'oneshot'\nup = ['ip', 'link', 'set', '${{s{link}.ifname}}', 'up']\n\
                 down = ['ip', 'link', 'set', '${{s{link}.ifname}}', 'down']\n"
            ),
            2 => format!(
                "kind = 'file'\npath = '/run/file-{number}'\n\
                 text = '''\n{{% for s in s{link}.servers %}}\nnameserver {{{{s}}}}\n{{% endfor %}}\n'''\n"
            ),
            3 => format!(
                "template = 'address'\n\
                 params = {{ interface = '${{s{link}.ifname}}', address = '192.0.2.1/24' }}\n"
            ),
            _ => format!(
                "kind = 'longrun'\nrun = ['dnsmasq', '-k']\nneeds = ['s{}']\n\
                 when = {{ link = 'eth{number}', is = 'running' }}\nready = {{ fd = 3 }}\n\
                 health = {{ run = ['dig', 'localhost'] }}\n",
                number - 2
            ),
        };
        write!(out, "[service.s{number}]\n{text}part-of = ['default']\nafter = ['s{before}']\n")
            .unwrap();
    }
    out.replace("after = ['s0']\n", "")
}

fn main() {
    let mut too_slow = false;
    for (count, bound) in SIZES {
        let text = definitions(*count);
        let mut best = u128::MAX;
        let mut size = 0;
        for _ in 0..RUNS {
            let start = Instant::now();
            let mut sources = Sources::default();
            let file = sources.add("services.toml".to_owned(), text.as_bytes());
            let outcome = compile_sources(sources, &[file], None, None).unwrap();
            best = best.min(start.elapsed().as_millis());
            assert!(outcome.found.is_empty(), "{:?}", outcome.found.first());
            size = outcome.database.unwrap().len();
        }
        println!(
            "{count} services, {} bytes of text: {best} ms (bound {bound} ms), {size} bytes",
            text.len()
        );
        too_slow |= best > *bound;
    }
    assert!(!too_slow, "too slow");
}
