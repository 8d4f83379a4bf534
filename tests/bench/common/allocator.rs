//! The allocator of the program, so that a benchmark of the library measures the same. Nothing is measured here.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
