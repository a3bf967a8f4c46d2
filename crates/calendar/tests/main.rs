//! Tests of calendars, through the public interface.

mod common;
mod rules;
