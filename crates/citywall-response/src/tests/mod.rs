//! Tests of the whole: see each file.
