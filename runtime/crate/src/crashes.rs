//! Names what has ended the process, in one line on standard error: a stack overflow, a call of
//! `abort`, or memory that could not be allocated.
//!
//! [`install`] puts a handler before those that the runtime has for `SIGSEGV`, `SIGBUS` and
//! `SIGABRT`. It writes its line, and calls the runtime's handler, which prints where the function
//! was and ends the process. Anything else is left to that handler alone.
//!
//! A signal handler may do little (signal-safety(7)). This one reads what the kernel passes to it,
//! and calls `getpid`, `pipe`, `write` and `close`. It allocates nothing, takes no lock, and does
//! not panic.

// Threads are protected only where the function starts some.
#![allow(dead_code, unused_imports)]

pub(crate) use handler::{install, protect_thread};

/// On other systems, there is no handler.
#[cfg(not(all(
    any(target_os = "linux", target_os = "macos"),
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod handler {
    pub(crate) fn install() {}

    pub(crate) fn protect_thread() {}
}

#[cfg(all(
    any(target_os = "linux", target_os = "macos"),
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod handler {
    use std::cell::UnsafeCell;
    use std::ffi::{c_int, c_void};
    use std::mem::{transmute, MaybeUninit};
    use std::sync::Once;

    use super::system::{
        address_of_fault, error_number, is_own_abort, set_error_number, stack_pointer, SigAction, SigStack, SA_ONSTACK,
        SA_SIGINFO, SIGABRT, SIGBUS, SIGSEGV, SS_DISABLE,
    };

    const OVERFLOW: &[u8] = b"faas-function: the stack of the function overflowed\n";
    const ABORT: &[u8] = b"faas-function: the function called abort()\n";
    const OUT_OF_MEMORY: &[u8] = b"faas-function: the function could not allocate memory, and called abort()\n";

    const STDERR: c_int = 2;
    const SIG_DFL: usize = 0;
    const SIG_IGN: usize = 1;
    const ENOMEM: c_int = 12;
    const EFAULT: c_int = 14;
    /// How far an access to the stack may be below the stack pointer, and above it, where the stack
    /// has ended.
    ///
    /// Rust touches each page of a large frame as soon as it has moved the stack pointer there.
    const BELOW: usize = 64 << 10;
    const ABOVE: usize = 4 << 10;
    /// For the signal handlers of a thread: this one and that of the runtime. The registers of
    /// AVX-512 alone take 3 KiB of it.
    const SIGNAL_STACK_SIZE: usize = 64 << 10;
    const SIGNALS: [c_int; 3] = [SIGSEGV, SIGBUS, SIGABRT];

    type Handler = extern "C" fn(c_int, *mut c_void, *mut c_void);

    unsafe extern "C" {
        fn sigaction(number: c_int, new: *const SigAction, old: *mut SigAction) -> c_int;
        fn sigaltstack(new: *const SigStack, old: *mut SigStack) -> c_int;
        fn write(descriptor: c_int, data: *const c_void, size: usize) -> isize;
        fn raise(number: c_int) -> c_int;
        fn pipe(ends: *mut c_int) -> c_int;
        fn close(descriptor: c_int) -> c_int;
    }

    /// The actions that were there before, by their places in `SIGNALS`.
    struct Previous(UnsafeCell<[MaybeUninit<SigAction>; SIGNALS.len()]>);

    // Safety: `install` writes it once, before the handler that reads it is there.
    unsafe impl Sync for Previous {}

    static PREVIOUS: Previous = Previous(UnsafeCell::new([const { MaybeUninit::uninit() }; SIGNALS.len()]));

    /// Name crashes from now on. Further calls do nothing.
    pub(crate) fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            for (place, number) in SIGNALS.into_iter().enumerate() {
                // Safety: `place` is within the array, and nothing else uses it now.
                let previous = unsafe { (*PREVIOUS.0.get())[place].as_mut_ptr() };
                let action = SigAction::new(handle as Handler as usize, SA_SIGINFO | SA_ONSTACK);
                // Safety: the structures have the system's layout. The previous action is known
                // before the new one is there: from then on the handler may be called.
                unsafe {
                    if sigaction(number, std::ptr::null(), previous) == 0 {
                        sigaction(number, &raw const action, std::ptr::null_mut());
                    }
                }
            }
        });
    }

    /// Give the calling thread a stack for signal handlers. When its own stack has overflowed, they
    /// have no other room.
    ///
    /// The threads that call a handler have one. Threads that the function starts do not, and their
    /// overflow ends the process without a line. A thread that has such a stack keeps it.
    pub(crate) fn protect_thread() {
        thread_local!(static STACK: Option<SignalStack> = SignalStack::start());
        STACK.with(|_| ());
    }

    /// The stack for signal handlers of one thread, which ends with the thread.
    struct SignalStack {
        _memory: Box<[u8]>,
    }

    impl SignalStack {
        /// Use one from now on; `None` if the thread has one already.
        fn start() -> Option<Self> {
            let mut current = SigStack::empty();
            // Safety: the structure has the system's layout.
            let failure = unsafe { sigaltstack(std::ptr::null(), &raw mut current) };
            if failure != 0 || current.flags & SS_DISABLE == 0 {
                return None;
            }
            let mut memory = vec![0; SIGNAL_STACK_SIZE].into_boxed_slice();
            let stack = SigStack {
                start: memory.as_mut_ptr().cast(),
                size: memory.len(),
                ..SigStack::empty()
            };
            // Safety: as above. The memory is used until `drop` says that it is not any more.
            unsafe { sigaltstack(&raw const stack, std::ptr::null_mut()) };
            Some(Self { _memory: memory })
        }
    }

    impl Drop for SignalStack {
        fn drop(&mut self) {
            let none = SigStack {
                flags: SS_DISABLE,
                size: SIGNAL_STACK_SIZE,
                ..SigStack::empty()
            };
            // Safety: as in `start`.
            unsafe { sigaltstack(&raw const none, std::ptr::null_mut()) };
        }
    }

    /// The signal handler.
    extern "C" fn handle(number: c_int, info: *mut c_void, context: *mut c_void) {
        let errno = error_number();
        // Safety: the kernel passes both structures to a handler with SA_SIGINFO.
        let message = unsafe {
            if number == SIGABRT {
                name_of_abort(is_own_abort(info), errno)
            } else {
                let pointer = stack_pointer(context);
                name_of_fault(address_of_fault(info), pointer, || is_memory(pointer))
            }
        };
        if let Some(message) = message {
            // Safety: the message is a constant. If it cannot be written, there is no other place
            // to report that.
            unsafe { write(STDERR, message.as_ptr().cast(), message.len()) };
        }
        // The next handler may return to the code that was interrupted.
        set_error_number(errno);
        pass_on(number, info, context);
    }

    /// What to say about a `SIGABRT`; nothing about one that another process has sent.
    ///
    /// The last thing that fails before Rust aborts for a lack of memory is the allocation.
    fn name_of_abort(is_own: bool, errno: c_int) -> Option<&'static [u8]> {
        match (is_own, errno) {
            (false, _) => None,
            (true, ENOMEM) => Some(OUT_OF_MEMORY),
            (true, _) => Some(ABORT),
        }
    }

    /// What to say about an access to memory that is not there; nothing unless it was to the end of
    /// the stack.
    ///
    /// Below the stack pointer there is memory until the stack ends. A program that runs beyond an
    /// array on the stack can reach the other end of the stack, too, which may be near, but then
    /// the stack pointer is still at memory (`pointer_is_at_memory`).
    fn name_of_fault(
        address: usize,
        stack_pointer: usize,
        pointer_is_at_memory: impl FnOnce() -> bool,
    ) -> Option<&'static [u8]> {
        let below = stack_pointer.saturating_sub(BELOW)..stack_pointer;
        let above = stack_pointer..=stack_pointer.saturating_add(ABOVE);
        let is_overflow = below.contains(&address) || (above.contains(&address) && !pointer_is_at_memory());
        is_overflow.then_some(OVERFLOW)
    }

    /// Whether there is memory at an address: the kernel reads a byte there, for a pipe. It is
    /// taken for memory if no pipe can be had.
    fn is_memory(address: usize) -> bool {
        let mut ends = [0; 2];
        // Safety: an address that cannot be read is an error of the call. Both ends are closed here.
        unsafe {
            if pipe(ends.as_mut_ptr()) != 0 {
                return true;
            }
            let is_refused = write(ends[1], address as *const c_void, 1) < 0 && error_number() == EFAULT;
            close(ends[0]);
            close(ends[1]);
            !is_refused
        }
    }

    /// Do what would have been done without this handler.
    fn pass_on(number: c_int, info: *mut c_void, context: *mut c_void) {
        let Some(place) = SIGNALS.into_iter().position(|each| each == number) else {
            return;
        };
        // Safety: `install` has written the action before this handler was there.
        let previous = unsafe { (*PREVIOUS.0.get())[place].assume_init_ref() };
        match previous.handler {
            SIG_IGN => {}
            SIG_DFL => {
                // The signal is blocked until this handler returns, and then ends the process.
                // Safety: as in `install`.
                unsafe {
                    sigaction(number, previous, std::ptr::null_mut());
                    raise(number);
                }
            }
            address => {
                // Safety: it is a function of this type, or of one with the first parameter alone,
                // for which the others do no harm.
                let handler = unsafe { transmute::<usize, Handler>(address) };
                handler(number, info, context);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_an_access_near_the_stack_pointer_is_an_overflow() {
            let top = 0x7ffe_0000_0000;
            assert_eq!(name_of_fault(top - 8, top, || true), Some(OVERFLOW));
            assert_eq!(name_of_fault(top + ABOVE, top, || false), Some(OVERFLOW));
            assert_eq!(name_of_fault(top + ABOVE, top, || true), None);
            assert_eq!(name_of_fault(top + ABOVE + 1, top, || false), None);
            assert_eq!(name_of_fault(top - BELOW - 1, top, || false), None);
            assert_eq!(name_of_fault(8, top, || false), None);
        }

        #[test]
        fn memory_is_told_from_what_is_not_there() {
            assert!(is_memory(OVERFLOW.as_ptr() as usize));
            assert!(!is_memory(8));
        }

        #[test]
        fn an_abort_is_named_by_its_cause() {
            assert_eq!(name_of_abort(true, 0), Some(ABORT));
            assert_eq!(name_of_abort(true, ENOMEM), Some(OUT_OF_MEMORY));
            assert_eq!(name_of_abort(false, ENOMEM), None);
        }
    }
}

/// Linux, with glibc or musl, on 64 bits.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod system {
    use std::ffi::{c_int, c_void};

    pub(super) const SIGABRT: c_int = 6;
    pub(super) const SIGBUS: c_int = 7;
    pub(super) const SIGSEGV: c_int = 11;
    pub(super) const SA_SIGINFO: c_int = 4;
    pub(super) const SA_ONSTACK: c_int = 0x0800_0000;
    pub(super) const SS_DISABLE: c_int = 2;
    /// What `raise` sends, and so `abort`.
    const SI_TKILL: c_int = -6;
    // Where the fields of `siginfo_t` and `ucontext_t` are, in bytes.
    const CODE: usize = 8;
    const SENDER: usize = 16;
    const ADDRESS: usize = 16;
    #[cfg(target_arch = "x86_64")]
    const STACK_POINTER: usize = 160; // uc_mcontext.gregs[REG_RSP]
    #[cfg(target_arch = "aarch64")]
    const STACK_POINTER: usize = 432; // uc_mcontext.sp

    unsafe extern "C" {
        fn __errno_location() -> *mut c_int;
        fn getpid() -> c_int;
    }

    /// `struct sigaction`
    #[repr(C)]
    pub(super) struct SigAction {
        pub(super) handler: usize,
        mask: [u64; 16],
        flags: c_int,
        restorer: usize,
    }

    impl SigAction {
        pub(super) fn new(handler: usize, flags: c_int) -> Self {
            Self {
                handler,
                mask: [0; 16],
                flags,
                restorer: 0,
            }
        }
    }

    /// `stack_t`
    #[repr(C)]
    pub(super) struct SigStack {
        pub(super) start: *mut c_void,
        pub(super) flags: c_int,
        pub(super) size: usize,
    }

    impl SigStack {
        pub(super) const fn empty() -> Self {
            Self {
                start: std::ptr::null_mut(),
                flags: 0,
                size: 0,
            }
        }
    }

    pub(super) fn error_number() -> c_int {
        // Safety: the C library returns the address of the thread's own variable.
        unsafe { *__errno_location() }
    }

    pub(super) fn set_error_number(value: c_int) {
        // Safety: as above.
        unsafe { *__errno_location() = value };
    }

    /// Whether this process has sent the signal to itself. `info` is a `siginfo_t`.
    pub(super) unsafe fn is_own_abort(info: *const c_void) -> bool {
        // Safety: the caller's.
        unsafe { read::<c_int>(info, CODE) == SI_TKILL && read::<c_int>(info, SENDER) == getpid() }
    }

    /// The address that was not there. `info` is a `siginfo_t`.
    pub(super) unsafe fn address_of_fault(info: *const c_void) -> usize {
        // Safety: the caller's. A code above 0 says that the kernel has sent it for a fault.
        unsafe {
            if read::<c_int>(info, CODE) > 0 {
                read(info, ADDRESS)
            } else {
                0
            }
        }
    }

    /// The stack pointer at the fault. `context` is a `ucontext_t`.
    pub(super) unsafe fn stack_pointer(context: *const c_void) -> usize {
        // Safety: the caller's.
        unsafe { read(context, STACK_POINTER) }
    }

    unsafe fn read<T: Copy>(structure: *const c_void, offset: usize) -> T {
        // Safety: the caller's.
        unsafe { structure.byte_add(offset).cast::<T>().read() }
    }
}

/// macOS
#[cfg(all(target_os = "macos", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod system {
    use std::ffi::{c_int, c_void};

    pub(super) const SIGABRT: c_int = 6;
    pub(super) const SIGBUS: c_int = 10;
    pub(super) const SIGSEGV: c_int = 11;
    pub(super) const SA_SIGINFO: c_int = 0x40;
    pub(super) const SA_ONSTACK: c_int = 1;
    pub(super) const SS_DISABLE: c_int = 4;
    // Where the fields of `siginfo_t`, `ucontext_t` and `mcontext_t` are, in bytes.
    const SENDER: usize = 12;
    const ADDRESS: usize = 24;
    const MACHINE_CONTEXT: usize = 48;
    #[cfg(target_arch = "x86_64")]
    const STACK_POINTER: usize = 72; // __ss.__rsp
    #[cfg(target_arch = "aarch64")]
    const STACK_POINTER: usize = 264; // __ss.__sp

    unsafe extern "C" {
        fn __error() -> *mut c_int;
        fn getpid() -> c_int;
    }

    /// `struct sigaction`
    #[repr(C)]
    pub(super) struct SigAction {
        pub(super) handler: usize,
        mask: u32,
        flags: c_int,
    }

    impl SigAction {
        pub(super) fn new(handler: usize, flags: c_int) -> Self {
            Self {
                handler,
                mask: 0,
                flags,
            }
        }
    }

    /// `stack_t`
    #[repr(C)]
    pub(super) struct SigStack {
        pub(super) start: *mut c_void,
        pub(super) size: usize,
        pub(super) flags: c_int,
    }

    impl SigStack {
        pub(super) const fn empty() -> Self {
            Self {
                start: std::ptr::null_mut(),
                size: 0,
                flags: 0,
            }
        }
    }

    pub(super) fn error_number() -> c_int {
        // Safety: the C library returns the address of the thread's own variable.
        unsafe { *__error() }
    }

    pub(super) fn set_error_number(value: c_int) {
        // Safety: as above.
        unsafe { *__error() = value };
    }

    /// Whether this process has sent the signal to itself. `info` is a `siginfo_t`.
    pub(super) unsafe fn is_own_abort(info: *const c_void) -> bool {
        // Safety: the caller's.
        unsafe { read::<c_int>(info, SENDER) == getpid() }
    }

    /// The address that was not there. `info` is a `siginfo_t`.
    pub(super) unsafe fn address_of_fault(info: *const c_void) -> usize {
        // Safety: the caller's.
        unsafe { read(info, ADDRESS) }
    }

    /// The stack pointer at the fault. `context` is a `ucontext_t`.
    pub(super) unsafe fn stack_pointer(context: *const c_void) -> usize {
        // Safety: the caller's; the kernel fills in the pointer.
        unsafe { read(read::<*const c_void>(context, MACHINE_CONTEXT), STACK_POINTER) }
    }

    unsafe fn read<T: Copy>(structure: *const c_void, offset: usize) -> T {
        // Safety: the caller's.
        unsafe { structure.byte_add(offset).cast::<T>().read() }
    }
}
