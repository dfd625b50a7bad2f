//! What the code far from a function's handler knows of the invocation in progress: the trace that the work
//! belongs to, and where the time of its calls is added up. Both belong to a future, not to the process: a
//! function works on several jobs of different traces at once.

pub mod calls;
pub mod trace;
