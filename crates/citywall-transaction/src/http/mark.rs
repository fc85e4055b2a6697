//! The ways in which an HTTP conversation breaks the rules, and which of them were told already.

use citywall_flow::Direction;

use crate::Output;

macro_rules! marks {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// One way of breaking the rules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Mark { $($(#[$doc])* $variant),* }

        impl Mark {
            /// The name in `anomaly` events.
            pub(super) fn name(self) -> &'static str {
                match self { $(Mark::$variant => $name),* }
            }
        }
    };
}

marks! {
    /// Not `method SP target SP version`.
    RequestLine = "http.request_line";
    /// The method is not a token.
    Method = "http.method";
    /// Not `version SP status`.
    StatusLine = "http.status_line";
    /// The head is longer than the limit.
    HeadTooLong = "http.head_too_long";
    /// More header fields than any honest sender has.
    TooManyFields = "http.too_many_fields";
    /// A header line without a colon.
    FieldWithoutColon = "http.field_without_colon";
    /// A header line that begins with the colon.
    FieldWithoutName = "http.field_without_name";
    /// White space between name and colon: a way to smuggle (RFC 9112 section 5.1).
    SpaceBeforeColon = "http.space_before_colon";
    /// A header value that goes on in the next line (RFC 9112 section 5.2).
    FoldedField = "http.folded_field";
    /// A line that ends with LF alone.
    MissingCr = "http.missing_cr";
    /// A CR that does not end a line.
    BareCr = "http.bare_cr";
    /// A NUL byte in the head.
    NulByte = "http.nul_byte";
    /// Host given twice.
    HostRepeated = "http.host_repeated";
    /// HTTP/1.1 request without Host.
    HostMissing = "http.host_missing";
    /// Host and the target's authority differ.
    HostAmbiguous = "http.host_ambiguous";
    /// Content-Length is not a number.
    LengthInvalid = "http.content_length_invalid";
    /// Content-Length given twice with different values.
    LengthRepeated = "http.content_length_repeated";
    /// Content-Length and Transfer-Encoding: a way to smuggle (RFC 9112 section 6.3).
    LengthAmbiguous = "http.length_ambiguous";
    /// A transfer coding other than `chunked`, or `chunked` not last.
    TransferEncoding = "http.transfer_encoding";
    /// A chunk size that is not a hexadecimal number of 64 bits.
    ChunkSize = "http.chunk_size";
    /// A chunk that does not end where its size says.
    ChunkEnd = "http.chunk_end";
    /// A response that nobody asked for.
    ResponseWithoutRequest = "http.response_without_request";
    /// More requests are open than the limit.
    TooManyRequests = "http.too_many_requests";
    /// A content coding that does not decode.
    Decompression = "http.decompression_failed";
    /// A content coding that grows over the budget.
    DecompressionBudget = "http.decompression_budget";
    /// More content codings on top of each other than are followed.
    CodingLayers = "http.coding_layers";
}

/// What was told already: each mark once per conversation and direction, so that a hostile
/// conversation cannot flood the log.
#[derive(Debug, Default)]
pub(super) struct Marks {
    told: [u64; 2],
}

impl Marks {
    /// Tells `mark` unless it was told before.
    #[cold]
    pub(super) fn tell(&mut self, mark: Mark, direction: Direction, out: &mut Output) {
        let bit = 1u64 << (mark as u32 & 63);
        let told = &mut self.told[direction.index()];
        if *told & bit == 0 {
            *told |= bit;
            out.malformed(direction, mark.name());
        }
    }
}
