//! The applet as a program of its own: for tests and trials. Input: the command line. It must
//! never do more than call the applet.
#![forbid(unsafe_code)]

use std::io;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    std::process::exit(ifwait::applet::applet_main(args, &mut io::stdout(), &mut io::stderr()));
}
