//! checksum: answers an event with its CRC-32.

const std = @import("std");
const c = @import("faas.zig"); // zig translate-c -lc faas.h > faas.zig

const Crc32 = std.hash.Crc32;
const allocator = std.heap.c_allocator;
const block_size = 16;

export fn faas_abi_version() u32 {
    return c.FAAS_ABI_VERSION;
}

/// The handler: the whole answer at once.
export fn handle(request: *const c.faas_request, response: *c.faas_response) i32 {
    const event = payload(request);
    if (event.len <= 2) // {} at the most
        return fail(response, "Function.EmptyEvent", "there is nothing to sum up");
    const answer = std.fmt.allocPrint(allocator, "{{\"bytes\":{d},\"crc32\":\"{x:0>8}\"}}", .{
        event.len,
        Crc32.hash(event),
    }) catch return fail(response, "Function.OutOfMemory", "there is not enough memory for the answer");
    response.data = answer.ptr;
    response.len = answer.len;
    response.release = release;
    return 0;
}

/// A second handler of the same library: the answer in pieces, a line for each block of the event.
export fn blocks(request: *const c.faas_request, response: *c.faas_response) i32 {
    const write = request.write orelse
        return fail(response, "Function.CannotStream", "this runtime takes whole answers only");
    response.content_type = "text/plain"; // before the first piece
    var rest = payload(request);
    var at: usize = 0;
    while (rest.len > 0) {
        const block = rest[0..@min(block_size, rest.len)];
        var buffer: [64]u8 = undefined;
        const line = std.fmt.bufPrint(&buffer, "{d} {x:0>8}\n", .{ at, Crc32.hash(block) }) catch unreachable;
        if (write(request.stream, line.ptr, line.len) != 0)
            return fail(response, "Function.NobodyListens", "the rest was not wanted any more");
        rest = rest[block.len..];
        at += block.len;
    }
    return 0;
}

/// The event; NULL where it is empty.
fn payload(request: *const c.faas_request) []const u8 {
    const bytes: [*]const u8 = @ptrCast(request.payload orelse return "");
    return bytes[0..request.payload_len];
}

fn fail(response: *c.faas_response, error_type: [*:0]const u8, message: [*:0]const u8) i32 {
    response.error_type = error_type;
    response.error_message = message; // both live as long as the library: there is nothing to release
    return 1;
}

/// Called by the runtime when it has sent the answer: who allocated it frees it.
fn release(response: [*c]c.faas_response) callconv(.c) void {
    const answer: *c.faas_response = response;
    const bytes: [*]const u8 = @ptrCast(answer.data orelse return);
    allocator.free(bytes[0..answer.len]);
}
