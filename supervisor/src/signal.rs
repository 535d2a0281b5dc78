//! Signals by name. Their numbers differ between architectures (SIGCHLD is 17 on x86, 18 on MIPS),
//! so databases and protocols carry names, and only the `sys` half asks libc for a number.

use crate::coder::Coded;

macro_rules! signals {
    ($($variant:ident $text:literal $libc:ident,)*) => {
        /// A signal that may be sent to a service; see signal(7).
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Coded, Hash)]
        pub enum Signal {
            $(#[doc = concat!("SIG", $text)] $variant,)*
        }

        impl Signal {
            /// Every signal, for listings and completions.
            pub const ALL: &'static [Signal] = &[$(Signal::$variant,)*];

            /// The name without the SIG prefix, in capitals.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Signal::$variant => $text,)* }
            }

            /// The number on the running architecture.
            #[cfg(feature = "sys")]
            #[must_use]
            pub const fn number(self) -> i32 {
                match self { $(Signal::$variant => libc::$libc,)* }
            }
        }
    };
}

signals! {
    Hup "HUP" SIGHUP,
    Int "INT" SIGINT,
    Quit "QUIT" SIGQUIT,
    Ill "ILL" SIGILL,
    Trap "TRAP" SIGTRAP,
    Abrt "ABRT" SIGABRT,
    Bus "BUS" SIGBUS,
    Fpe "FPE" SIGFPE,
    Kill "KILL" SIGKILL,
    Usr1 "USR1" SIGUSR1,
    Segv "SEGV" SIGSEGV,
    Usr2 "USR2" SIGUSR2,
    Pipe "PIPE" SIGPIPE,
    Alrm "ALRM" SIGALRM,
    Term "TERM" SIGTERM,
    Chld "CHLD" SIGCHLD,
    Cont "CONT" SIGCONT,
    Stop "STOP" SIGSTOP,
    Tstp "TSTP" SIGTSTP,
    Ttin "TTIN" SIGTTIN,
    Ttou "TTOU" SIGTTOU,
    Urg "URG" SIGURG,
    Xcpu "XCPU" SIGXCPU,
    Xfsz "XFSZ" SIGXFSZ,
    Vtalrm "VTALRM" SIGVTALRM,
    Prof "PROF" SIGPROF,
    Winch "WINCH" SIGWINCH,
    Io "IO" SIGIO,
    Pwr "PWR" SIGPWR,
    Sys "SYS" SIGSYS,
}

impl Signal {
    /// The signal called `name`, with or without the SIG prefix, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let bare = match name.get(..3) {
            Some(prefix) if prefix.eq_ignore_ascii_case("SIG") => &name[3..],
            _ => name,
        };
        Self::ALL.iter().copied().find(|s| s.name().eq_ignore_ascii_case(bare))
    }

    /// The signal with this number on the running architecture, if it is a named one.
    #[cfg(feature = "sys")]
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::Signal;

    #[test]
    fn names_are_accepted_with_and_without_prefix() {
        assert_eq!(Signal::from_name("HUP"), Some(Signal::Hup));
        assert_eq!(Signal::from_name("sigterm"), Some(Signal::Term));
        assert_eq!(Signal::from_name("SIG"), None);
        assert_eq!(Signal::from_name("é"), None);
        assert_eq!(Signal::from_name("15"), None);
    }

    #[test]
    fn every_name_round_trips() {
        for &s in Signal::ALL {
            assert_eq!(Signal::from_name(s.name()), Some(s));
        }
    }
}
