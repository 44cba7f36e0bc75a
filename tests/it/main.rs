//! The integration tests: one binary, one module for each kind of question.

mod theory;
