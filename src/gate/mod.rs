//! What holds or releases a promotion: the rules of the gates, pure. No clock, no I/O, no waiting; time, randomness and the
//! world come in as arguments, effects go out as values.

pub mod approval;
