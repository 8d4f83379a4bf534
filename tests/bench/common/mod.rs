//! What the benchmarks of RESTCONF and NETCONF have in common. Nothing is measured here.

mod allocator;
pub mod list;
pub mod process;

/// What can go wrong in a benchmark.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A number below `among`; successive ones are far apart.
pub fn somewhere(n: u64, among: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % among
}

/// The value below which that part of them is; NaN if there is none.
pub fn at(values: &mut [f64], quantile: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * quantile) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
