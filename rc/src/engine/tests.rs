//! Scripts of events in, exact actions out.
