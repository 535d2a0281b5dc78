//! The end of everything: in order, once, and within its time.

use crate::{
    child::longrun,
    events::What,
    rig::Rig,
    world::{kill, lossy},
};
use rc::{Millis, model::Ready};

/// systemd's 90 s stop jobs, dinit's shutdown stuck on a starting service: what never got ready and does
/// not listen is killed when the time of the shutdown is over.
#[test]
fn a_shutdown_with_a_never_ready_service_is_bounded() {
    let rig = Rig::start_with(
        vec![
            longrun("never").ready(Ready::Fd(3)),
            longrun("behind").needs("never"),
            crate::world::bundle("default", &["behind"]),
        ],
        |system| system.shutdown_timeout = Millis(300),
        |_| {},
    );
    let mut never = rig.run("never");
    // Its own grace would be a minute.
    never.tell("ignore 15");
    let all = rig.end();
    assert!(never.gone().is_empty());
    let at = |is: &dyn Fn(&What) -> bool| {
        all.iter().find(|event| is(&event.what)).map(|event| event.at_ms).unwrap()
    };
    let begun = at(&|what| matches!(what, What::Shutdown { .. }));
    let killed = at(&|what| matches!(what, What::Exited { exit, .. } if exit.signal == Some(9)));
    assert!(killed - begun >= 290 && killed - begun < 30_000, "{begun} {killed}");
}

/// A second request while the first is carried out changes nothing, and nothing is started any more.
#[test]
fn the_first_shutdown_request_wins() {
    let rig = Rig::start(vec![longrun("busy"), longrun("idle")]);
    let mut busy = rig.run("busy");
    busy.tell("catch 15");
    let pid = i64::from(rig.world.child.id());
    kill(pid, "TERM");
    busy.caught(15);
    kill(pid, "INT");
    kill(pid, "TERM");
    let refused = rig.world.svc(&["start", "idle"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(lossy(&refused.stderr).contains("a shutdown is in progress"));
    busy.exit(0);
    let all = rig.end();
    let begun = all.iter().filter(|event| matches!(event.what, What::Shutdown { .. }));
    assert_eq!(begun.count(), 1);
}
