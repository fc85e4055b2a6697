//! Who says so: keys, signatures and the journal that cannot be rewritten unnoticed.
//!
//! Owns: one envelope `Signed<T>`, keys and their files, and the append-only, hash-chained journal.
//! Does not own: what is signed or recorded, and who may do what (the city file says that).
