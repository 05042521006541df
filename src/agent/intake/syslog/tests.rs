//! Tests of listeners over loopback.
