//! What the code far from a function's handler knows of the invocation in progress: the trace that the work
//! belongs to. It belongs to a future, not to the process: a function works on several jobs of different traces
//! at once.

pub mod trace;
