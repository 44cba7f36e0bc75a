//! How a call, an attempt or a request can end: a status code and Envoy's response flags.

use std::fmt;

use super::grpc;

/// Envoy's response flags, by their access log names. Source: semantics S17.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Flag {
    /// No healthy upstream host.
    UH = 1,
    /// Upstream request timeout.
    UT,
    /// Connection failure to the upstream.
    UF,
    /// Upstream closed the connection mid-request.
    UC,
    /// Upstream reset the stream.
    UR,
    /// Overflow: a circuit breaker's limit is full.
    UO,
    /// No route.
    NR,
    /// No cluster.
    NC,
    /// Delay injected.
    DI,
    /// Fault (abort) injected.
    FI,
    /// Retries exhausted.
    URX,
    /// The caller went away.
    DC,
    /// Protocol error of the upstream.
    UPE,
    /// Stream idle timeout.
    SI,
}

impl Flag {
    const ALL: [Flag; 14] = [
        Flag::UH,
        Flag::UT,
        Flag::UF,
        Flag::UC,
        Flag::UR,
        Flag::UO,
        Flag::NR,
        Flag::NC,
        Flag::DI,
        Flag::FI,
        Flag::URX,
        Flag::DC,
        Flag::UPE,
        Flag::SI,
    ];

    /// The flag of this access log name.
    pub fn from_name(name: &str) -> Option<Flag> {
        Flag::ALL.into_iter().find(|flag| flag.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Flag::UH => "UH",
            Flag::UT => "UT",
            Flag::UF => "UF",
            Flag::UC => "UC",
            Flag::UR => "UR",
            Flag::UO => "UO",
            Flag::NR => "NR",
            Flag::NC => "NC",
            Flag::DI => "DI",
            Flag::FI => "FI",
            Flag::URX => "URX",
            Flag::DC => "DC",
            Flag::UPE => "UPE",
            Flag::SI => "SI",
        }
    }
}

/// Up to eight flags in the order in which they were set, each once. Source: semantics S17.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flags(u32);

const BITS: u32 = 4;

impl Flags {
    pub const NONE: Flags = Flags(0);

    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, flag: Flag) -> bool {
        self.iter().any(|f| f == flag)
    }

    /// Appends `flag` unless it is there.
    pub fn set(&mut self, flag: Flag) {
        let mut shift = 0;
        while self.0 >> shift & 0xf != 0 {
            if self.0 >> shift & 0xf == flag as u32 {
                return;
            }
            shift += BITS;
            assert!(shift < 32, "a request carries at most eight flags");
        }
        self.0 |= (flag as u32) << shift;
    }

    pub fn with(mut self, flag: Flag) -> Flags {
        self.set(flag);
        self
    }

    pub fn iter(self) -> impl Iterator<Item = Flag> {
        (0..8)
            .map(move |slot| (self.0 >> (slot * BITS) & 0xf) as usize)
            .take_while(|number| *number != 0)
            .map(|number| Flag::ALL[number - 1])
    }
}

/// `URX,UF`; `-` if there is none.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (position, flag) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            f.write_str(flag.name())?;
        }
        Ok(())
    }
}

/// Between gRPC's statuses and HTTP's.
const OPENED: u16 = 99;
/// Behind HTTP's, where failures are.
const CLOSED: u16 = 999;

/// What the caller got. Code 0 means that it got nothing (reset, or it gave up); codes below 100 are the status of a
/// gRPC call that failed, in an HTTP 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    pub code: u16,
    pub flags: Flags,
}

impl Outcome {
    pub const OK: Outcome = Outcome { code: 200, flags: Flags::NONE };
    /// A connection of opaque bytes stands. Nobody answers it with a code: these two are out of the way of all others.
    pub const OPENED: Outcome = Outcome { code: OPENED, flags: Flags::NONE };

    /// A connection that never stood, or was closed as soon as it did.
    pub fn closed(flag: Flag) -> Outcome {
        Outcome::new(CLOSED, flag)
    }

    /// The code, if what ended has one: connections have none.
    pub fn code(self) -> Option<u16> {
        (self.code != OPENED && self.code != CLOSED).then_some(self.code)
    }

    pub fn new(code: u16, flag: Flag) -> Outcome {
        Outcome { code, flags: Flags::NONE.with(flag) }
    }

    /// A request is a success if its final code is below 500 and it was not reset; gRPC's count as HTTP's.
    /// Source: design D6.
    #[inline]
    pub fn is_success(self) -> bool {
        matches!(self.code, 17..500) || self.code != 0 && grpc::as_http(self.code) < 500
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_print_in_the_order_in_which_they_were_set() {
        let flags = Flags::NONE.with(Flag::URX).with(Flag::UF).with(Flag::URX);
        assert_eq!(flags.to_string(), "URX,UF");
        assert_eq!(Flags::NONE.to_string(), "-");
        for flag in Flag::ALL {
            assert_eq!(Flags::NONE.with(flag).iter().collect::<Vec<_>>(), [flag]);
        }
    }

    #[test]
    fn a_reset_is_no_success_and_404_is_one() {
        assert!(!Outcome::new(0, Flag::DC).is_success());
        assert!(Outcome::new(404, Flag::NR).is_success());
        let grpc = |code| Outcome { code, ..Outcome::OK };
        assert!(grpc(5).is_success() && !grpc(14).is_success());
        assert!(!Outcome::new(503, Flag::UO).is_success());
        assert!(Outcome::OPENED.is_success() && !Outcome::closed(Flag::UO).is_success());
        assert_eq!((Outcome::OPENED.code(), Outcome::OK.code()), (None, Some(200)));
    }
}
