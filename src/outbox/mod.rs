//! Durable deliveries.
