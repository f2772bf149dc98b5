//! What a stranger's expression may cost.

/// Longest expression in bytes.
pub const EXPRESSION_BYTES: usize = tongmai_base::limits::FHIRPATH_BYTES;
/// Deepest nesting of parentheses, arguments, signs and operators of rising precedence.
pub const NESTING: usize = 100;
/// Steps of one evaluation: values visited, and a share of the text that is read or made. A collection that
/// an expression builds up holds no more values than this.
pub const STEPS: u64 = 1_000_000;
/// Values that one FHIRPath Patch may look at to find the places of its elements.
pub const PATCH_SEARCH: u64 = 20_000_000;
/// Longest string that an expression may make, in bytes.
pub const STRING_BYTES: usize = 1024 * 1024;
/// Largest compiled regular expression, in bytes.
pub const REGEX_BYTES: usize = 1024 * 1024;
