//! checksum: returns the CRC-32 of an event.

const std = @import("std");
const c = @import("faas.zig"); // zig translate-c -lc faas.h > faas.zig

const Crc32 = std.hash.Crc32;
const allocator = std.heap.c_allocator;
const block_size = 16;

export fn faas_abi_version() u32 {
    return c.FAAS_ABI_VERSION;
}

/// The handler. It returns the whole response at once.
export fn handle(request: *const c.faas_request, response: *c.faas_response) i32 {
    const event = payload(request);
    if (event.len <= 2) // {} or shorter
        return fail(response, "Function.EmptyEvent", "the event is empty");
    const text = std.fmt.allocPrint(allocator, "{{\"bytes\":{d},\"crc32\":\"{x:0>8}\"}}", .{
        event.len,
        Crc32.hash(event),
    }) catch return fail(response, "Function.OutOfMemory", "not enough memory for the response");
    response.data = text.ptr;
    response.len = text.len;
    response.release = release;
    return 0;
}

/// A second handler of the same library. It streams the response: one line for each block of the event.
export fn blocks(request: *const c.faas_request, response: *c.faas_response) i32 {
    const write = request.write orelse
        return fail(response, "Function.CannotStream", "this runtime cannot stream");
    response.content_type = "text/plain"; // before the first piece
    var rest = payload(request);
    var at: usize = 0;
    while (rest.len > 0) {
        const block = rest[0..@min(block_size, rest.len)];
        var buffer: [64]u8 = undefined;
        const line = std.fmt.bufPrint(&buffer, "{d} {x:0>8}\n", .{ at, Crc32.hash(block) }) catch unreachable;
        if (write(request.stream, line.ptr, line.len) != 0)
            return fail(response, "Function.CallerGone", "the caller no longer receives the response");
        rest = rest[block.len..];
        at += block.len;
    }
    return 0;
}

/// The event. Its pointer may be NULL if it is empty.
fn payload(request: *const c.faas_request) []const u8 {
    const bytes: [*]const u8 = @ptrCast(request.payload orelse return "");
    return bytes[0..request.payload_len];
}

fn fail(response: *c.faas_response, error_type: [*:0]const u8, message: [*:0]const u8) i32 {
    response.error_type = error_type;
    response.error_message = message; // both are constants of the library: there is nothing to release
    return 1;
}

/// The runtime calls this after it has sent the response. The library frees what the library allocated.
fn release(response: [*c]c.faas_response) callconv(.c) void {
    const sent: *c.faas_response = response;
    const bytes: [*]const u8 = @ptrCast(sent.data orelse return);
    allocator.free(bytes[0..sent.len]);
}
