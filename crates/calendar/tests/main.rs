//! Tests of calendars, through the public interface.

mod common;
mod findings;
mod fuzz;
mod ics;
mod intervals;
mod rules;
mod schedules;
mod working;
mod zones;
