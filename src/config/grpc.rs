//! gRPC's statuses by name, as VirtualServices and scenarios write them.

/// By number; 0 is a success and comes as a plain 200.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The status of this name, in capitals as gRPC writes it.
pub fn by_name(name: &str) -> Option<u16> {
    NAMES.iter().position(|known| *known == name).map(|number| number as u16)
}

/// The names of the failures.
pub fn failures() -> impl Iterator<Item = &'static str> {
    NAMES.iter().skip(1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_numbers() {
        assert_eq!(by_name("OK"), Some(0));
        assert_eq!(by_name("UNAVAILABLE"), Some(14));
        assert_eq!(by_name("unavailable"), None);
        assert_eq!((failures().count(), failures().next()), (16, Some("CANCELLED")));
    }
}
