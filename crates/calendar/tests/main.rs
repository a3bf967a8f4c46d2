//! Tests of calendars, through the public interface.

mod common;
mod intervals;
mod rules;
mod schedules;
mod working;
mod zones;
