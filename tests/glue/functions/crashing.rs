//! Handlers that end the process, each in another way. The module under test names some of them.

#[path = "../../../runtime/crate/src/crashes.rs"]
mod crashes;

use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
}

#[unsafe(no_mangle)]
extern "C" fn faas_abi_version() -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn faas_init(_: *mut c_void) -> c_int {
    if std::env::var_os("NOT_INSTALLED").is_none() {
        crashes::install();
        crashes::install();
    }
    0
}

/// Calls itself without an end that the compiler could see, with a frame of `SIZE` bytes.
fn deeper<const SIZE: usize>(above: &[u8; SIZE]) -> usize {
    let mut frame = [above[0]; SIZE];
    if black_box(SIZE) == 0 {
        return 0;
    }
    frame[SIZE - 1] = black_box(1);
    deeper(black_box(&frame)) + usize::from(black_box(&frame)[0])
}

fn overflow<const SIZE: usize>() -> c_int {
    black_box(deeper(&[0; SIZE])) as c_int
}

#[unsafe(no_mangle)]
extern "C" fn small_frames(_: *const c_void, _: *mut c_void) -> c_int {
    overflow::<16>()
}

#[unsafe(no_mangle)]
extern "C" fn large_frames(_: *const c_void, _: *mut c_void) -> c_int {
    overflow::<100_000>()
}

#[unsafe(no_mangle)]
extern "C" fn protected_thread(_: *const c_void, _: *mut c_void) -> c_int {
    std::thread::spawn(|| {
        crashes::protect_thread();
        crashes::protect_thread();
        overflow::<16>()
    })
    .join()
    .unwrap()
}

/// Answers how many KiB a thousand protected threads have left behind.
#[unsafe(no_mangle)]
extern "C" fn many_threads(_: *const c_void, response: *mut c_void) -> c_int {
    let run = || std::thread::spawn(crashes::protect_thread).join().unwrap();
    run();
    let before = resident_kib();
    (0..1000).for_each(|_| run());
    let answer = (resident_kib() - before).max(0).to_string().leak();
    let fields = response.cast::<usize>();
    unsafe {
        fields.add(1).write(answer.as_ptr() as usize);
        fields.add(2).write(answer.len());
    }
    0
}

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[unsafe(no_mangle)]
extern "C" fn unprotected_thread(_: *const c_void, _: *mut c_void) -> c_int {
    std::thread::spawn(overflow::<16>).join().unwrap()
}

#[unsafe(no_mangle)]
extern "C" fn call_abort(_: *const c_void, _: *mut c_void) -> c_int {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn allocate(_: *const c_void, _: *mut c_void) -> c_int {
    black_box(vec![1_u8; black_box(1 << 62)]).len() as c_int
}

/// Memory is refused, and something else fails afterwards.
#[unsafe(no_mangle)]
extern "C" fn abort_after_another_error(_: *const c_void, _: *mut c_void) -> c_int {
    assert!(black_box(unsafe { malloc(black_box(1 << 62)) }).is_null());
    assert!(std::fs::metadata("/there/is/nothing").is_err());
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn wild_write(_: *const c_void, _: *mut c_void) -> c_int {
    unsafe { black_box(8 as *mut u8).write_volatile(1) };
    0
}

/// Writes beyond an array on the stack, up to the other end of the stack.
#[unsafe(no_mangle)]
extern "C" fn overrun(_: *const c_void, _: *mut c_void) -> c_int {
    let mut array = [0_u8; 64];
    let mut place = black_box(array.as_mut_ptr()).wrapping_add(array.len());
    loop {
        unsafe { place.read_volatile() };
        place = place.wrapping_add(1);
    }
}

/// Fills the stack from an array to the other end of the stack with bytes that are no zeros.
#[unsafe(no_mangle)]
extern "C" fn overwrite(_: *const c_void, _: *mut c_void) -> c_int {
    static PLACE: AtomicUsize = AtomicUsize::new(0);
    let mut array = [0_u8; 64];
    PLACE.store(black_box(array.as_mut_ptr()) as usize, Ordering::Relaxed);
    loop {
        unsafe { (PLACE.fetch_add(1, Ordering::Relaxed) as *mut u8).write_volatile(0xff) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn hang(_: *const c_void, _: *mut c_void) -> c_int {
    eprintln!("hanging");
    loop {
        std::thread::park();
    }
}
