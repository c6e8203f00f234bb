//! One file per kind of notification service: a rendered notification in, an outgoing request out.
