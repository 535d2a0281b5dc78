//! Tests of the table and of decoding together.
